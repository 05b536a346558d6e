// A real broker on a folder of jobs, which may die and come back.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.h"

namespace sluice::testing {

// Serves on a free port of loopback, the same one after every restart. The constructor and start()
// return once it serves; a broker that does not come up aborts the test with its output.
class BrokerProcess {
 public:
  // `options` are put behind its own.
  explicit BrokerProcess(std::filesystem::path data, std::vector<std::string> options = {});

  const std::string& url() const { return url_; }
  ChildProcess& process() { return *process_; }

  void kill9();
  // Requires: not running.
  void start();
  // SIGTERM; how it ended, if it did.
  std::optional<ProcessEnd> terminate();

  // A broker that is not expected to serve.
  static ChildProcess::Start command(const std::string& listen, const std::filesystem::path& data,
                                     const std::vector<std::string>& options = {});

 private:
  std::filesystem::path data_;
  std::vector<std::string> options_;
  std::string listen_ = "127.0.0.1:0";
  std::string url_;
  std::optional<ChildProcess> process_;
};

}  // namespace sluice::testing
