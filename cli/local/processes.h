// Child processes: started, read line by line, ended, and everything they left behind ended too.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/local/event_loop.h"
#include "cli/local/files.h"
#include "common/base/result.h"

namespace sluice::local {

struct Command {
  std::vector<std::string> argv;           // argv[0] is a path
  std::map<std::string, std::string> env;  // on top of our own
  std::string working_folder;              // empty: ours
};

// How a process ended: one of the two is set.
struct ProcessEnd {
  std::optional<int> exit_code;
  std::optional<int> signal;
  friend bool operator==(const ProcessEnd&, const ProcessEnd&) = default;
};

// "exit code 3", "signal 9 (Killed)".
std::string to_string(const ProcessEnd& end);

struct ProcessEvents {
  std::function<void(std::string_view line)> on_line;  // of standard output and standard error
  std::function<void(const ProcessEnd&)> on_end;       // the last call, after the last line
};

using Pid = int;

// Starts and ends processes. Callbacks come from the event loop, never from inside these calls.
//
// Threads: the event loop's.
class Processes {
 public:
  virtual ~Processes() = default;

  // Each in a process group of its own, so that a terminal's Ctrl-C is ours alone to act on.
  virtual Result<Pid> start(const Command& command, ProcessEvents events) = 0;
  // Nothing happens when it has ended.
  virtual void signal(Pid pid, int number) = 0;
  // SIGKILL to every process in whose environment NAME=VALUE stands, wherever it is in the tree.
  virtual void kill_marked(std::string_view name, std::string_view value) = 0;
};

// The real ones. This process becomes a child subreaper, so that what a killed child leaves behind
// is reparented to us and not to init.
class ChildProcesses final : public Processes {
 public:
  static constexpr std::size_t kLineBytesMax = 8 * 1024;  // longer lines are cut into several

  // Blocks SIGCHLD in the calling thread: call it before other threads exist. `loop` outlives it.
  static Result<std::unique_ptr<ChildProcesses>> make(EventLoop& loop);
  // Kills whatever is left, strangers that were reparented to us included.
  ~ChildProcesses() override;

  Result<Pid> start(const Command& command, ProcessEvents events) override;
  void signal(Pid pid, int number) override;
  void kill_marked(std::string_view name, std::string_view value) override;

 private:
  struct Child {
    Fd output;
    std::string partial;  // of a line
    ProcessEvents events;
  };

  explicit ChildProcesses(EventLoop& loop) : loop_(loop) {}

  void read_output(Pid pid);
  void reap();

  EventLoop& loop_;
  Fd child_signals_;
  std::map<Pid, Child> children_;
};

}  // namespace sluice::local
