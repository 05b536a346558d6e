// The worker's command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/http/client.h"

namespace sluice::worker {

struct Options {
  http::Url broker;
  std::string namespace_name = "default";
  std::string queue;
  std::string name;
  std::string instance;
  http::ClientOptions access;  // whom the broker's client trusts, and the token it shows
  int concurrency = 1;
  long max_jobs = 0;
  int grace_seconds = 330;
  int max_result_bytes = 65536;
  LogFormat log_format = LogFormat::kText;
  bool exit_with_parent = false;
  std::string socket;                // empty: none
  std::vector<std::string> command;  // of the exec handler
  int http_port = 0;                 // of the http handler; 0: exec
  std::string http_path = "/";
  bool http_posts_parents = false;
};

struct ParsedOptions {
  std::optional<Options> options;  // absent: leave with `exit_status`, all is said
  int exit_status = 0;
};

// Reads the arguments, and SLUICE_WORKER_* variables for what they leave out; prints help and
// errors.
ParsedOptions parse_options(int argc, char** argv);

}  // namespace sluice::worker
