#include "operator/kube/plugin_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>

#include "common/base/check.h"

namespace sluice::kube {
namespace {

constexpr std::size_t kOutputBytesMax = 1024 * 1024;
constexpr std::size_t kErrorBytesMax = 4 * 1024;

class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int fd = -1) : fd_(fd) {}
  ~OwnedDescriptor() { reset(); }
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;

  int get() const { return fd_; }
  void reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

struct Pipe {
  OwnedDescriptor ours;
  OwnedDescriptor theirs;

  bool open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
    return true;
  }
};

std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& env) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) merged[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : env) merged[name] = value;
  std::vector<std::string> lines;
  lines.reserve(merged.size());
  for (const auto& [name, value] : merged) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Returns 0 or the error's number.
int spawn(const std::vector<std::string>& argv, const std::vector<std::string>& env, int output,
          int error, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  CHECK(posix_spawn_file_actions_init(&actions) == 0);
  CHECK(posix_spawnattr_init(&attributes) == 0);
  CHECK(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, output, 1) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, error, 2) == 0);
  CHECK(posix_spawn_file_actions_addclosefrom_np(&actions, 3) == 0);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int failure = posix_spawnp(&pid, argv.front().c_str(), &actions, &attributes,
                                   c_strings(argv).data(), c_strings(env).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return failure;
}

// Appends what is there, up to `bytes_max`; false at the end.
bool drain(int fd, std::string& into, std::size_t bytes_max) {
  std::array<char, 8192> bytes;
  const ssize_t count = read(fd, bytes.data(), bytes.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  const std::size_t room = bytes_max - std::min(bytes_max, into.size());
  into.append(bytes.data(), std::min(static_cast<std::size_t>(count), room));
  return count > 0;
}

// glibc 2.36 declares pidfd_open() for C only.
int open_process(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

// Blocks; the child is ours alone, so its pid cannot have been reused.
int reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A program under way; ends with it.
class RunningProgram {
 public:
  RunningProgram(pid_t pid, int output, int error, int stop)
      : pid_(pid), process_(open_process(pid)) {
    waits_ = {pollfd{process_.get(), POLLIN, 0}, pollfd{stop, POLLIN, 0}, pollfd{output, POLLIN, 0},
              pollfd{error, POLLIN, 0}};
  }

  Result<ProgramOutput> wait(std::chrono::steady_clock::time_point deadline) {
    ProgramOutput result;
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return end({ErrorCode::kDeadlineExceeded, "took too long"});
      const int ready = poll(waits_.data(), waits_.size(), static_cast<int>(left.count()));
      if (ready < 0 && errno != EINTR) return end({ErrorCode::kInternal, "poll failed"});
      if (ready <= 0) continue;
      if (waits_[1].revents != 0) return end({ErrorCode::kUnavailable, "was cancelled"});
      const bool has_ended = waits_[0].revents != 0;
      read_ready(result);
      if (result.output.size() > kOutputBytesMax) {
        return end({ErrorCode::kTooLarge, "printed more than 1 MiB"});
      }
      // What it wrote is in the pipes by now; a child of its own may hold them open for ever.
      if (has_ended) {
        drain_rest(result);
        result.exit_code = reap(pid_);
        return result;
      }
    }
  }

 private:
  void read_ready(ProgramOutput& result) {
    if (waits_[2].revents != 0 && !drain(waits_[2].fd, result.output, kOutputBytesMax + 1)) {
      waits_[2].fd = -1;
    }
    if (waits_[3].revents != 0 && !drain(waits_[3].fd, result.error, kErrorBytesMax)) {
      waits_[3].fd = -1;
    }
  }

  void drain_rest(ProgramOutput& result) {
    for (const std::size_t index : {std::size_t{2}, std::size_t{3}}) {
      for (pollfd left{waits_[index].fd, POLLIN, 0}; left.fd >= 0 && poll(&left, 1, 0) == 1;) {
        std::string& into = index == 2 ? result.output : result.error;
        if (!drain(left.fd, into, index == 2 ? kOutputBytesMax : kErrorBytesMax)) break;
      }
    }
  }

  Error end(Error why) {
    kill(-pid_, SIGKILL);
    reap(pid_);
    return why;
  }

  const pid_t pid_;
  const OwnedDescriptor process_;
  std::array<pollfd, 4> waits_{};
};

}  // namespace

ProgramStop::ProgramStop() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(descriptor_ >= 0);
}

ProgramStop::~ProgramStop() {
  close(descriptor_);
}

void ProgramStop::stop() {
  eventfd_write(descriptor_, 1);
}

Result<ProgramOutput> run_program(const std::vector<std::string>& argv,
                                  const std::vector<std::pair<std::string, std::string>>& env,
                                  Duration time_max, const ProgramStop& stop) {
  const auto deadline = std::chrono::steady_clock::now() + time_max;
  Pipe output;
  Pipe error;
  if (!output.open() || !error.open()) return Error{ErrorCode::kUnavailable, "out of descriptors"};
  pid_t pid = -1;
  const int failure =
      spawn(argv, environment_with(env), output.theirs.get(), error.theirs.get(), pid);
  if (failure != 0) {
    return Error{ErrorCode::kNotFound, std::string("cannot be started: ") + strerror(failure)};
  }
  output.theirs.reset();
  error.theirs.reset();
  RunningProgram program(pid, output.ours.get(), error.ours.get(), stop.descriptor());
  return program.wait(deadline);
}

}  // namespace sluice::kube
