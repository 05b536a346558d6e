// The operator's command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/http/client.h"

namespace sluice::kube {

struct OperatorOptions {
  http::Url broker;
  std::string broker_url;  // as workers are told
  std::string broker_ca_file;
  std::string broker_token_file;
  std::string namespace_name;                 // its own; empty: of the configuration
  std::vector<std::string> watch_namespaces;  // empty: all
  std::string worker_image = "localhost/sluice-worker:dev";
  std::string kubeconfig;  // empty: the pod's service account, else KUBECONFIG
  std::string context;
  std::string listen_address = "0.0.0.0";
  std::uint16_t listen_port = 8080;
  bool is_leader_elect = true;
  std::string tls_service;  // empty: makes no certificates
  int threads = 16;         // they wait for the API server most of the time
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
};

struct ParsedOptions {
  std::optional<OperatorOptions> options;  // absent: leave with `exit_status`, all is said
  int exit_status = 0;
};

// Prints help and errors; an error names its flag.
ParsedOptions parse_options(int argc, const char* const* argv);

}  // namespace sluice::kube
