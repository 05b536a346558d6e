// Processes that only exist on paper: what was started and signalled is recorded, and the test says
// when a line is printed or one ends.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/local/processes.h"

namespace sluice::testing {

class FakeProcesses final : public local::Processes {
 public:
  struct Started {
    local::Command command;
    local::ProcessEvents events;
  };

  Result<local::Pid> start(const local::Command& command, local::ProcessEvents events) override {
    if (refuse_starts) return Error{ErrorCode::kNotFound, "no such program"};
    started.push_back({command, std::move(events)});
    return static_cast<local::Pid>(started.size());
  }
  void signal(local::Pid pid, int number) override { signals.emplace_back(pid, number); }
  void kill_marked(std::string_view name, std::string_view value) override {
    killed_marks.push_back(std::string(name) + "=" + std::string(value));
  }

  void print(local::Pid pid, std::string_view line) { at(pid).events.on_line(line); }
  void end(local::Pid pid, local::ProcessEnd end) { at(pid).events.on_end(end); }
  Started& at(local::Pid pid) { return started[static_cast<std::size_t>(pid) - 1]; }

  bool refuse_starts = false;
  std::vector<Started> started;
  std::vector<std::pair<local::Pid, int>> signals;
  std::vector<std::string> killed_marks;
};

}  // namespace sluice::testing
