#include "cli/local/processes.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "cli/local/proc_scan.h"

namespace sluice::local {
namespace {

constexpr int kSweepsMax = 20;  // a process may fork while it is being looked for
constexpr int kReadsMax = 16;   // of one child's output at a time, so that none starves the others

ProcessEnd to_end(int status) {
  if (WIFSIGNALED(status)) return {.exit_code = {}, .signal = WTERMSIG(status)};
  return {.exit_code = WEXITSTATUS(status), .signal = {}};
}

// Our environment with `extra` on top, as NAME=VALUE.
std::vector<std::string> merged_environment(const std::map<std::string, std::string>& extra) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!extra.contains(std::string(text.substr(0, text.find('='))))) merged.emplace_back(text);
  }
  for (const auto& [name, value] : extra) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Owns the two C structures posix_spawn wants.
class SpawnSettings {
 public:
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  // Silent input, both outputs into `output`, a process group of its own, no signal blocked or
  // ignored.
  void prepare(int output, const std::string& folder) {
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO);
    if (!folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Hands every whole line of `partial` to `on_line` and keeps the rest.
void take_lines(std::string& partial, const std::function<void(std::string_view)>& on_line) {
  std::size_t start = 0;
  for (;;) {
    const std::size_t end = partial.find('\n', start);
    if (end == std::string::npos) break;
    on_line(std::string_view(partial).substr(start, end - start));
    start = end + 1;
  }
  partial.erase(0, start);
  if (partial.size() >= ChildProcesses::kLineBytesMax) {
    on_line(partial);
    partial.clear();
  }
}

}  // namespace

std::string to_string(const ProcessEnd& end) {
  if (end.exit_code) return "exit code " + std::to_string(*end.exit_code);
  if (!end.signal) return "unknown";
  const char* name = ::sigdescr_np(*end.signal);
  return "signal " + std::to_string(*end.signal) + (name ? " (" + std::string(name) + ")" : "");
}

Result<std::unique_ptr<ChildProcesses>> ChildProcesses::make(EventLoop& loop) {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return system_error("PR_SET_CHILD_SUBREAPER");
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &child, nullptr);
  std::unique_ptr<ChildProcesses> processes(new ChildProcesses(loop));
  processes->child_signals_.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!processes->child_signals_) return system_error("signalfd");
  loop.watch(processes->child_signals_.get(), [raw = processes.get()] {
    signalfd_siginfo info;
    while (::read(raw->child_signals_.get(), &info, sizeof(info)) > 0) {
    }
    raw->reap();
  });
  return processes;
}

ChildProcesses::~ChildProcesses() {
  loop_.unwatch(child_signals_.get());
  for (const auto& [pid, child] : children_) {
    if (child.output) loop_.unwatch(child.output.get());
  }
  children_.clear();
  // What we started, and what those left behind; killing a parent uncovers its children.
  for (int sweep = 0; sweep < kSweepsMax; ++sweep) {
    const std::vector<Pid> left = children_of(::getpid());
    if (left.empty()) break;
    for (const Pid pid : left) ::kill(pid, SIGKILL);
    for (const Pid pid : left) ::waitpid(pid, nullptr, 0);
  }
}

Result<Pid> ChildProcesses::start(const Command& command, ProcessEvents events) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe2");
  Fd output(ends[0]);
  const Fd input(ends[1]);
  ::fcntl(output.get(), F_SETFL, O_NONBLOCK);

  SpawnSettings settings;
  settings.prepare(input.get(), command.working_folder);
  std::vector<std::string> argv = command.argv;
  std::vector<std::string> environment = merged_environment(command.env);
  Pid pid = 0;
  const int failed = ::posix_spawn(&pid, argv[0].c_str(), settings.actions(), settings.attributes(),
                                   pointers(argv).data(), pointers(environment).data());
  if (failed != 0) {
    errno = failed;
    // posix_spawn does not say which of the two it was.
    if (!command.working_folder.empty() && ::access(command.working_folder.c_str(), X_OK) != 0) {
      return system_error("working folder " + command.working_folder);
    }
    errno = failed;
    return system_error(argv[0]);
  }
  loop_.watch(output.get(), [this, pid] { read_output(pid); });
  children_.emplace(pid, Child{std::move(output), {}, std::move(events)});
  return pid;
}

void ChildProcesses::signal(Pid pid, int number) {
  // Not reaped yet, so the number cannot have passed to another process.
  if (children_.contains(pid)) ::kill(pid, number);
}

void ChildProcesses::kill_marked(std::string_view name, std::string_view value) {
  const std::string entry = std::string(name) + "=" + std::string(value);
  for (int sweep = 0; sweep < kSweepsMax; ++sweep) {
    const std::vector<Pid> found = processes_with_environment(entry);
    if (found.empty()) return;
    for (const Pid pid : found) ::kill(pid, SIGKILL);
  }
}

void ChildProcesses::read_output(Pid pid) {
  const auto found = children_.find(pid);
  if (found == children_.end()) return;
  Child& child = found->second;
  char buffer[16 * 1024];
  for (int reads = 0; reads < kReadsMax; ++reads) {
    const ssize_t n = ::read(child.output.get(), buffer, sizeof(buffer));
    if (n <= 0) {
      const bool open = n < 0 && (errno == EAGAIN || errno == EINTR);
      // A closed pipe stays readable for ever; what is left to wait for is the end itself.
      if (!open && child.output) {
        loop_.unwatch(child.output.get());
        child.output.reset();
      }
      return;
    }
    child.partial.append(buffer, static_cast<std::size_t>(n));
    take_lines(child.partial, child.events.on_line);
  }
}

void ChildProcesses::reap() {
  int status = 0;
  for (Pid pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto found = children_.find(pid);
    if (found == children_.end()) continue;  // left behind by a child of ours
    if (found->second.output) read_output(pid);
    Child child = std::move(found->second);
    children_.erase(found);
    if (child.output) loop_.unwatch(child.output.get());
    if (!child.partial.empty()) child.events.on_line(child.partial);
    child.events.on_end(to_end(status));
  }
}

}  // namespace sluice::local
