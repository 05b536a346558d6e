#include "operator/kube/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <utility>

namespace sluice::kube {
namespace {

constexpr const char* kAbout =
    "Sluice's operator: brings the Queues, Jobs and Schedules of a Kubernetes cluster to the "
    "broker,\n"
    "and runs worker pods for them. Prints \"ready\" once it serves; the leader among several "
    "acts.\n"
    "Exit status 2: a wrong option; 1: no configuration, no port, or the lead was lost.";

std::string check_url(const std::string& text) {
  const auto url = http::parse_url(text);
  return url ? std::string{} : url.error().message;
}

// "0.0.0.0:8080", ":8080", "[::]:0"
std::string read_listen(const std::string& text, OperatorOptions& options) {
  const std::size_t colon = text.rfind(':');
  const std::string bad = "must be ADDRESS:PORT, as 0.0.0.0:8080 or [::]:0, not \"" + text + "\"";
  if (colon == std::string::npos) return bad;
  std::string address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  } else if (address.find(':') != std::string::npos) {
    return bad;
  }
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, options.listen_port);
  if (error != std::errc{} || stop != end) return bad;
  if (address == "localhost") address = "127.0.0.1";
  if (!address.empty()) options.listen_address = std::move(address);
  return {};
}

void declare_cluster(CLI::App& app, OperatorOptions& options, std::string& listen) {
  app.add_option("--namespace", options.namespace_name,
                 "The operator's own namespace, for its lease and certificates [the "
                 "configuration's]");
  app.add_option("--watch-namespace", options.watch_namespaces,
                 "Only this namespace's objects; may be repeated [all namespaces]")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--kubeconfig", options.kubeconfig,
                 "The cluster [the pod's service account, else KUBECONFIG]")
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
  app.add_option("--context", options.context, "A context of the kubeconfig [its current one]");
  app.add_option("--listen", listen, "ADDRESS:PORT for /metrics, /healthz and /readyz; port 0: any")
      ->capture_default_str();
  app.add_option("--leader-elect", options.is_leader_elect,
                 "Act only while holding the Lease sluice-operator")
      ->type_name("BOOL")
      ->default_str("true");
}

void declare(CLI::App& app, OperatorOptions& options, std::string& listen) {
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warn", LogLevel::kWarn},
                                                  {"error", LogLevel::kError}};
  const std::map<std::string, LogFormat> formats = {{"text", LogFormat::kText},
                                                    {"json", LogFormat::kJson}};
  app.add_option("--broker", options.broker_url, "The broker, as https://HOST:PORT")
      ->required()
      ->type_name("URL")
      ->check(CLI::Validator(check_url, "", "URL"));
  app.add_option("--broker-ca", options.broker_ca_file,
                 "Certificates the broker is checked against; read again when changed")
      ->type_name("FILE");
  app.add_option("--broker-token-file", options.broker_token_file,
                 "The token shown to the broker; read again when changed")
      ->type_name("FILE");
  declare_cluster(app, options, listen);
  app.add_option("--worker-image", options.worker_image,
                 "The image sluice-worker is copied from into worker pods")
      ->capture_default_str();
  app.add_option(
      "--tls-service", options.tls_service,
      "The broker's service: makes and renews its certificates in the Secret sluice-tls");
  app.add_option("--threads", options.threads, "Objects to work on at once")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "debug, info, warn or error")
      ->transform(CLI::CheckedTransformer(levels))
      ->default_str("info");
  app.add_option("--log-format", options.log_format, "text or json, on standard error")
      ->transform(CLI::CheckedTransformer(formats))
      ->default_str("text");
}

}  // namespace

ParsedOptions parse_options(int argc, const char* const* argv) {
  OperatorOptions options;
  std::string listen = "0.0.0.0:8080";
  CLI::App app{kAbout, "sluice-operator"};
  declare(app, options, listen);
  try {
    app.parse(argc, argv);
    const std::string problem = read_listen(listen, options);
    if (!problem.empty()) throw CLI::ValidationError("--listen", problem);
  } catch (const CLI::ParseError& error) {
    return {.options = {}, .exit_status = app.exit(error) == 0 ? 0 : 2};
  }
  options.broker = *http::parse_url(options.broker_url);
  return {.options = std::move(options)};
}

}  // namespace sluice::kube
