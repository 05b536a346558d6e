#include "broker/server/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <map>

#include "common/api/decode.h"

namespace sluice::broker {

namespace {

constexpr std::int64_t kDiskReserveBytesMax = std::int64_t{1} << 50;

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

void add_callback_options(CLI::App& app, CallbackOptions& callbacks,
                          std::vector<std::string>& allowed) {
  app.add_option("--callback-allow", allowed,
                 "ADDRESS/BITS that callbacks may reach beside what is globally routable, as "
                 "10.0.0.0/8; may be repeated")
      ->type_name("CIDR")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  app.add_option(
      "--callback-secrets", callbacks.secrets_folder,
      "Folder of the secrets that sign callbacks: the file NAMESPACE.NAME is what callbacks "
      "of that namespace name as secretName NAME; read when one is used");
  app.add_option("--callback-ca", callbacks.ca_file,
                 "PEM file of whom https receivers of callbacks are trusted by")
      ->capture_default_str();
}

Status allow(const std::vector<std::string>& blocks, CallbackOptions& callbacks) {
  for (const std::string& text : blocks) {
    auto block = http::AddressBlock::parse(text);
    if (!block) return std::move(block).error();
    callbacks.allowed.push_back(*std::move(block));
  }
  return Ok{};
}

bool is_one_folder(const std::string& a, const std::string& b) {
  std::error_code error;
  return std::filesystem::weakly_canonical(a, error) == std::filesystem::weakly_canonical(b, error);
}

}  // namespace

Status parse_namespace_limit(const std::string& text, NamespaceLimitTable& limits) {
  const auto bad = [&text](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument,
                 "\"" + text + "\": " + why + "; as [NAMESPACE:]queues=10,jobs=1000,bytes=1000000"};
  };
  const std::size_t colon = text.find(':');
  const std::string name = colon == std::string::npos ? "" : text.substr(0, colon);
  if (colon != std::string::npos && !api::is_dns_label(name)) {
    return bad("what is before the colon is no name of a namespace");
  }
  NamespaceLimits& limit = limits[name];
  std::string_view rest = std::string_view(text).substr(colon == std::string::npos ? 0 : colon + 1);
  if (rest.empty()) return bad("it limits nothing");
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view one = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    const std::size_t equals = one.find('=');
    const std::string_view what = one.substr(0, equals);
    std::int64_t number = -1;
    if (equals != std::string_view::npos) {
      const char* end = one.data() + one.size();
      const auto [stop, error] = std::from_chars(one.data() + equals + 1, end, number);
      if (error != std::errc{} || stop != end) number = -1;
    }
    if (number < 0) return bad("\"" + std::string(one) + "\" has no whole number");
    if (what == "queues") {
      limit.queues = number;
    } else if (what == "jobs") {
      limit.jobs = number;
    } else if (what == "bytes") {
      limit.bytes = number;
    } else {
      return bad("there is no limit on \"" + std::string(what) + "\"");
    }
  }
  return Ok{};
}

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

  CLI::App app{
      "Sluice's broker: keeps jobs on disk and hands them to workers over HTTP.\n"
      "Exit status 2: a wrong option, or an address it may not or cannot listen on; 1: "
      "anything else.",
      "sluice-broker"};
  app.add_option("--listen", listen,
                 "ADDRESS:PORT to serve on; a loopback address unless callers are authenticated. "
                 "Port 0 takes a free one and prints it.")
      ->capture_default_str();
  add_security_options(app, options, tls);
  std::vector<std::string> callbacks_allowed;
  add_callback_options(app, options.server.callbacks, callbacks_allowed);
  app.add_option("--data", options.data, "Folder for the jobs; made when it is not there")
      ->required();
  std::vector<std::string> namespace_limits;
  app.add_option("--namespace-limit", namespace_limits,
                 "[NAMESPACE:]queues=N,jobs=N,bytes=N: what each namespace, or this one, may hold; "
                 "may be repeated")
      ->type_name("LIMITS")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--threads", options.server.threads, "Network threads")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--disk-reserve-bytes", options.server.disk_reserve_bytes,
                 "Below this much free disk nothing new is accepted; running jobs still end")
      // Signed: the parser lets -1 through as the largest unsigned number.
      ->check(CLI::Range(std::int64_t{0}, kDiskReserveBytesMax))
      ->capture_default_str();
  app.add_option(
         "--backup-dir", options.server.backup_folder,
         "Folder for backups, best on the file system of the jobs; without it none are made")
      ->type_name("DIR");
  app.add_option("--log-level", options.log_level, "debug, info, warn or error")
      ->transform(CLI::CheckedTransformer(levels))
      ->default_str("info");
  app.add_option("--log-format", options.log_format, "text or json")
      ->transform(CLI::CheckedTransformer(formats))
      ->default_str("text");
  app.add_flag("--exit-with-parent", options.exit_with_parent,
               "Shut down when the process that started this one ends");
  app.footer("sluice-broker restore --help: a folder for the jobs out of a backup");
  try {
    app.parse(argc, argv);
    auto parsed = parse_listen(listen);
    if (!parsed) throw CLI::ValidationError("--listen", parsed.error().message);
    for (const std::string& text : namespace_limits) {
      const Status read = parse_namespace_limit(text, options.namespace_limits);
      if (!read) throw CLI::ValidationError("--namespace-limit", read.error().message);
    }
    if (Status read = allow(callbacks_allowed, options.server.callbacks); !read) {
      throw CLI::ValidationError("--callback-allow", read.error().message);
    }
    if (!options.server.backup_folder.empty() &&
        is_one_folder(options.server.backup_folder, options.data)) {
      throw CLI::ValidationError("--backup-dir", "must be another folder than --data");
    }
    options.server.address = parsed->address;
    options.server.port = parsed->port;
    if (!tls.certificate.empty()) options.server.tls = tls;
  } catch (const CLI::ParseError& e) {
    return ExitNow{app.exit(e) == 0 ? 0 : 2};
  }
  return options;
}

std::variant<RestoreOptions, ExitNow> parse_restore_options(int argc, const char* const* argv) {
  RestoreOptions options;
  CLI::App app{
      "Makes a folder for the jobs out of a backup. Nothing of the backup is moved or changed. The "
      "broker on the new folder makes no id and no lease that the old one has made.",
      "sluice-broker restore"};
  app.add_option("--backup", options.backup,
                 "Folder of the backup: that of --backup-dir, and its name")
      ->required()
      ->type_name("DIR/NAME");
  app.add_option("--data", options.data, "New or empty folder to restore into")
      ->required()
      ->type_name("DIR");
  app.footer("Example:\n  sluice-broker restore --backup backups/20261127T145007Z --data restored");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return ExitNow{app.exit(e) == 0 ? 0 : 2};
  }
  return options;
}

}  // namespace sluice::broker
