#include "cli/cluster/port_forward.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>
#include <vector>

extern char** environ;

namespace sluice::cli {
namespace {

constexpr std::size_t kOutputBytesMax = 4'096;

std::vector<std::string> command_of(const ForwardTarget& target) {
  std::vector<std::string> words = {"kubectl"};
  if (!target.kubeconfig.empty()) words.push_back("--kubeconfig=" + target.kubeconfig);
  if (!target.context.empty()) words.push_back("--context=" + target.context);
  words.push_back("--namespace=" + target.namespace_name);
  words.push_back("port-forward");
  words.push_back("--address=127.0.0.1");
  words.push_back("service/" + target.service);
  words.push_back(":" + std::to_string(target.port));
  return words;
}

// "Forwarding from 127.0.0.1:41234 -> 7070"
int port_in(std::string_view output) {
  constexpr std::string_view kMark = "Forwarding from 127.0.0.1:";
  const std::size_t at = output.find(kMark);
  if (at == std::string_view::npos || output.find('\n', at) == std::string_view::npos) return 0;
  int port = 0;
  const char* begin = output.data() + at + kMark.size();
  std::from_chars(begin, output.data() + output.size(), port);
  return port;
}

}  // namespace

Result<std::unique_ptr<PortForward>> PortForward::open(const ForwardTarget& target) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return Error{ErrorCode::kUnavailable, std::string("pipe: ") + std::strerror(errno)};
  }
  std::vector<std::string> words = command_of(target);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDERR_FILENO);
  pid_t pid = 0;
  const int failure = ::posix_spawnp(&pid, "kubectl", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  if (failure != 0) {
    ::close(pipe[0]);
    return Error{ErrorCode::kNotFound, "kubectl is needed to reach a broker inside a cluster: " +
                                           std::string(std::strerror(failure)) +
                                           "; or give --server URL"};
  }

  std::unique_ptr<PortForward> forward(new PortForward(pid, pipe[0]));
  const std::string said = forward->read_port();
  if (forward->local_port_ == 0) {
    return Error{ErrorCode::kUnavailable,
                 "service " + target.service + " in namespace " + target.namespace_name +
                     " cannot be reached: " + (said.empty() ? "kubectl said nothing" : said)};
  }
  return forward;
}

std::string PortForward::read_port() {
  std::string output;
  std::array<char, 512> chunk{};
  while (output.size() < kOutputBytesMax) {
    const ssize_t got = ::read(output_, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    output.append(chunk.data(), static_cast<std::size_t>(got));
    local_port_ = port_in(output);
    if (local_port_ != 0) break;
  }
  while (!output.empty() && output.back() == '\n') output.pop_back();
  return output;
}

PortForward::~PortForward() {
  ::kill(pid_, SIGTERM);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::close(output_);
}

}  // namespace sluice::cli
