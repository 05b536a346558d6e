// A program under test: started, read, ended, and nothing of it left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/eventually.h"
#include "tests/support/temporary_folder.h"

namespace sluice::testing {

// How a process ended: one of the two is set.
struct ProcessEnd {
  std::optional<int> exit_code;
  std::optional<int> signal;
};

// Runs in a process group of its own, with its output in files. The destructor kills it and every
// process that descends from it, also those that it or others left behind.
//
// Threads: the one that made it. Programs that are started to end with their parent end with that
// thread.
class ChildProcess {
 public:
  struct Start {
    std::vector<std::string> argv;              // argv[0] is a path
    std::vector<std::string> environment = {};  // NAME=VALUE, on top of ours
    std::string working_folder = {};
    std::string input = {};  // standard input
  };

  explicit ChildProcess(const Start& start);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  // To the process alone, not to its group. Requires: not waited for yet.
  void signal(int number) const;
  // SIGKILL, and collected when it returns.
  void kill9();
  // Absent when it is still running after `patience`. Remembered: asking again is allowed.
  std::optional<ProcessEnd> wait(std::chrono::milliseconds patience = kPatience);
  bool is_running() { return !wait(std::chrono::milliseconds::zero()); }

  std::string output() const;
  std::string errors() const;
  // The first whole line of the output that holds `text`; empty when none comes in time.
  std::string wait_for_line(std::string_view text);
  // For the message of a failed assertion.
  std::string report() const;

  // Processes that descend from this one and run now, itself left out.
  std::vector<pid_t> descendants() const;

 private:
  void kill_descendants() const;

  TemporaryFolder folder_;
  std::string mark_;  // in the environment of every descendant
  pid_t pid_ = -1;
  std::optional<ProcessEnd> end_;
};

}  // namespace sluice::testing
