// The command line of sluice-broker.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "broker/server/server.h"
#include "common/base/log.h"
#include "common/base/result.h"

namespace sluice::broker {

struct BrokerOptions {
  ServerOptions server;
  std::string data;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  NamespaceLimitTable namespace_limits;
  bool exit_with_parent = false;
  bool asks_kubernetes = false;  // --auth kubernetes
  std::string kubernetes_api;    // empty: that of the cluster we run in
  std::string kubernetes_ca_file = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
  std::string kubernetes_token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
};

// What to exit with at once: help was asked for, or the arguments are wrong. The text was printed.
struct ExitNow {
  int status = 0;
};

std::variant<BrokerOptions, ExitNow> parse_options(int argc, const char* const* argv);

// "queues=10,jobs=1000,bytes=1073741824", of every namespace; "shop:jobs=5", of that one. Puts what
// it says into `limits`.
Status parse_namespace_limit(const std::string& text, NamespaceLimitTable& limits);

// `sluice-broker restore`; its arguments begin at "restore".
struct RestoreOptions {
  std::string backup;
  std::string data;
};
std::variant<RestoreOptions, ExitNow> parse_restore_options(int argc, const char* const* argv);

// "127.0.0.1:7070", "[::1]:0", "localhost:7070" (which is 127.0.0.1).
Result<ServerOptions> parse_listen(const std::string& text);

}  // namespace sluice::broker
