#include "tests/support/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/base/check.h"

namespace sluice::testing {
namespace {

constexpr const char* kMark = "SLUICE_TEST_PROCESS";
constexpr int kKillRounds = 100;  // a process may be forking while we look

std::string read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::vector<char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const std::vector<std::string>& added,
                                          const std::string& mark) {
  std::vector<std::string> variables = added;
  variables.push_back(mark);
  const auto replaces = [](const std::string& one, std::string_view variable) {
    return variable.starts_with(one.substr(0, one.find('=') + 1));
  };
  const std::size_t ours = variables.size();
  for (char** variable = environ; *variable != nullptr; ++variable) {
    bool replaced = false;
    for (std::size_t i = 0; i < ours; ++i) {
      replaced = replaced || replaces(variables[i], *variable);
    }
    if (!replaced) variables.emplace_back(*variable);
  }
  return variables;
}

pid_t spawn(const ChildProcess::Start& start, const std::filesystem::path& folder,
            const std::string& mark) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  CHECK(posix_spawn_file_actions_init(&actions) == 0);
  CHECK(posix_spawnattr_init(&attributes) == 0);
  constexpr int kNew = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
  const std::string input = folder / "in";
  const std::string output = folder / "out";
  const std::string errors = folder / "err";
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), kNew, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.c_str(), kNew, 0600);
  if (!start.working_folder.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions, start.working_folder.c_str());
  }
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  const auto variables = environment_with(start.environment, mark);
  pid_t pid = -1;
  const int failure = posix_spawn(&pid, start.argv.front().c_str(), &actions, &attributes,
                                  c_strings(start.argv).data(), c_strings(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  CHECK(failure == 0);
  return pid;
}

// A zombie's environment reads as empty, so that only running processes carry a mark.
bool carries(const std::filesystem::path& process, const std::string& mark) {
  const std::string environment = '\0' + read_whole(process / "environ");
  return environment.find('\0' + mark + '\0') != std::string::npos;
}

}  // namespace

ChildProcess::ChildProcess(const Start& start)
    : mark_(std::string(kMark) + "=" + folder_.path().filename().string()) {
  std::ofstream(folder_.path() / "in", std::ios::binary) << start.input;
  pid_ = spawn(start, folder_.path(), mark_);
}

ChildProcess::~ChildProcess() {
  if (!end_) kill9();
  kill_descendants();
}

void ChildProcess::signal(int number) const {
  CHECK(!end_);
  ::kill(pid_, number);
}

void ChildProcess::kill9() {
  if (end_) return;
  signal(SIGKILL);
  CHECK(wait().has_value());
}

std::optional<ProcessEnd> ChildProcess::wait(std::chrono::milliseconds patience) {
  if (end_) return end_;
  int status = 0;
  if (!eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, patience)) return {};
  end_.emplace();
  if (WIFEXITED(status)) {
    end_->exit_code = WEXITSTATUS(status);
  } else {
    end_->signal = WTERMSIG(status);
  }
  return end_;
}

std::string ChildProcess::output() const {
  return read_whole(folder_.path() / "out");
}

std::string ChildProcess::errors() const {
  return read_whole(folder_.path() / "err");
}

std::string ChildProcess::wait_for_line(std::string_view text) {
  std::string found;
  const auto look = [&] {
    // Asked before reading: what a process wrote before its end is in the file by then.
    const bool running = is_running();
    const std::string all = output();
    std::size_t begin = 0;
    for (std::size_t end; (end = all.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string_view line = std::string_view(all).substr(begin, end - begin);
      if (line.find(text) == std::string_view::npos) continue;
      found = line;
      return true;
    }
    return !running;
  };
  if (!eventually(look)) return {};
  return found;
}

std::string ChildProcess::report() const {
  return "standard output:\n" + output() + "standard error:\n" + errors();
}

std::vector<pid_t> ChildProcess::descendants() const {
  std::vector<pid_t> pids;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc", error), end; at != end;
       at.increment(error)) {
    const std::string name = at->path().filename();
    pid_t pid = 0;
    const auto [stop, failed] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failed != std::errc{} || stop != name.data() + name.size() || pid == pid_) continue;
    if (carries(at->path(), mark_)) pids.push_back(pid);
  }
  return pids;
}

void ChildProcess::kill_descendants() const {
  for (int round = 0; round < kKillRounds; ++round) {
    const auto left = descendants();
    if (left.empty()) return;
    for (const pid_t pid : left) ::kill(pid, SIGKILL);
  }
}

}  // namespace sluice::testing
