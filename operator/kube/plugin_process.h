// Runs one short program without a shell and collects what it prints.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::kube {

struct ProgramOutput {
  int exit_code = 0;   // 128 + the signal's number when one ended it
  std::string output;  // standard output
  std::string error;   // the first kilobytes of standard error
};

// Ends waits in run_program() from another thread, for good.
//
// Threads: any.
class ProgramStop {
 public:
  ProgramStop();
  ~ProgramStop();
  ProgramStop(const ProgramStop&) = delete;
  ProgramStop& operator=(const ProgramStop&) = delete;

  void stop();
  int descriptor() const { return descriptor_; }  // readable once stopped

 private:
  int descriptor_;
};

// Starts argv[0] (a path, or a name to look for in PATH) in a process group of its own with our
// environment and `env` over it; standard input is empty. Blocks until it has ended. Its group is
// killed, and kDeadlineExceeded or kUnavailable returned, after `time_max` or when `stop` is
// stopped; kNotFound when it cannot be started; kTooLarge when it prints too much.
Result<ProgramOutput> run_program(const std::vector<std::string>& argv,
                                  const std::vector<std::pair<std::string, std::string>>& env,
                                  Duration time_max, const ProgramStop& stop);

}  // namespace sluice::kube
