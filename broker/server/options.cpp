#include "broker/server/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>

namespace sluice::broker {

namespace {

void add_security_options(CLI::App& app, BrokerOptions& options, TlsFiles& tls) {
  auto* certificate = app.add_option("--tls-cert", tls.certificate,
                                     "PEM file of the certificate to serve https with, and its "
                                     "chain; read again when it changes");
  auto* key = app.add_option("--tls-key", tls.key, "PEM file of the certificate's private key");
  certificate->needs(key);
  key->needs(certificate);
  const std::map<std::string, bool> kinds = {{"none", false}, {"kubernetes", true}};
  app.add_option("--auth", options.asks_kubernetes,
                 "none, or kubernetes: bearer tokens by TokenReview, rights by SubjectAccessReview")
      ->transform(CLI::CheckedTransformer(kinds))
      ->default_str("none");
  app.add_option("--kubernetes-api", options.kubernetes_api,
                 "URL of the Kubernetes API; by default that of the cluster around");
  app.add_option("--kubernetes-ca", options.kubernetes_ca_file, "Whom to trust there")
      ->capture_default_str();
  app.add_option("--kubernetes-token-file", options.kubernetes_token_file, "Our own token there")
      ->capture_default_str();
  app.add_flag("--insecure-listen", options.server.insecure_listen,
               "Listen beyond loopback without authentication: whoever reaches the port may do "
               "everything");
}

}  // namespace

Result<ServerOptions> parse_listen(const std::string& text) {
  const auto bad = [&text] {
    return Error{ErrorCode::kInvalidArgument,
                 "must be ADDRESS:PORT, as 127.0.0.1:7070 or [::1]:0, not \"" + text + "\""};
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad();
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return bad();
  }
  if (host == "localhost") host = "127.0.0.1";
  ServerOptions options;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, options.port);
  if (host.empty() || error != std::errc{} || stop != end) return bad();
  options.address = std::move(host);
  return options;
}

std::variant<BrokerOptions, ExitNow> parse_options(int argc, const char* const* argv) {
  BrokerOptions options;
  std::string listen = "127.0.0.1:7070";
  TlsFiles tls;
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warn", LogLevel::kWarn},
                                                  {"error", LogLevel::kError}};
  const std::map<std::string, LogFormat> formats = {{"text", LogFormat::kText},
                                                    {"json", LogFormat::kJson}};

  CLI::App app{"Sluice's broker: keeps jobs on disk and hands them to workers over HTTP.",
               "sluice-broker"};
  app.add_option("--listen", listen,
                 "ADDRESS:PORT to serve on; a loopback address unless callers are authenticated. "
                 "Port 0 takes a free one and prints it.")
      ->capture_default_str();
  add_security_options(app, options, tls);
  app.add_option("--data", options.data, "Folder for the jobs; made when it is not there")
      ->required();
  app.add_option("--threads", options.server.threads, "Network threads")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--disk-reserve-bytes", options.server.disk_reserve_bytes,
                 "Below this much free disk nothing new is accepted; running jobs still end")
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "debug, info, warn or error")
      ->transform(CLI::CheckedTransformer(levels))
      ->default_str("info");
  app.add_option("--log-format", options.log_format, "text or json")
      ->transform(CLI::CheckedTransformer(formats))
      ->default_str("text");
  app.add_flag("--exit-with-parent", options.exit_with_parent,
               "Shut down when the process that started this one ends");
  try {
    app.parse(argc, argv);
    auto parsed = parse_listen(listen);
    if (!parsed) throw CLI::ValidationError("--listen", parsed.error().message);
    options.server.address = parsed->address;
    options.server.port = parsed->port;
    if (!tls.certificate.empty()) options.server.tls = tls;
  } catch (const CLI::ParseError& e) {
    return ExitNow{app.exit(e) == 0 ? 0 : 2};
  }
  return options;
}

}  // namespace sluice::broker
