// A real worker, with a shell script or a server as its handler.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.h"

namespace sluice::testing {

class WorkerProcess {
 public:
  struct Start {
    std::string broker_url;
    std::string script = {};  // run by `sh -c` for every job; empty: `options` name the handler
    std::string queue = "q";
    std::string name = "w";
    std::vector<std::string> options = {};      // "--concurrency", "4"…
    std::vector<std::string> environment = {};  // of the worker, inherited by its handlers
    std::vector<std::string> launcher = {};     // a program before the worker: "chroot", "/x"
    std::string program = {};                   // the worker's, as the launcher sees it
  };

  explicit WorkerProcess(const Start& start);

  ChildProcess& process() { return process_; }
  void kill9() { process_.kill9(); }
  // SIGTERM; how it ended, if it did.
  std::optional<ProcessEnd> terminate();

 private:
  ChildProcess process_;
};

}  // namespace sluice::testing
