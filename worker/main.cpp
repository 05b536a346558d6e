// sluice-worker: see worker/worker.h.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/control_socket.h"
#include "worker/handler_command.h"
#include "worker/memory_watch.h"
#include "worker/options.h"
#include "worker/pod_command.h"
#include "worker/worker.h"

namespace sluice::worker {
namespace {

constexpr int kExitNoHandler = 78;  // EX_CONFIG
constexpr rlim_t kDescriptorsPerHandler = 8;
constexpr rlim_t kDescriptorsBesides = 64;

// Blocked in every thread; one thread waits for them.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Raised only as far as needed, because handlers inherit the limit.
void raise_descriptor_limit(int concurrency) {
  const rlim_t needed =
      kDescriptorsBesides + kDescriptorsPerHandler * static_cast<rlim_t>(concurrency);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) log_warn("descriptor limit not raised");
}

std::vector<std::string> own_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  return variables;
}

// For whoever started us: "ready", "not ready: why".
void say_ready(const std::string& obstacle) {
  std::puts(obstacle.empty() ? "ready" : ("not ready: " + obstacle).c_str());
  std::fflush(stdout);
}

std::variant<HandlerLoop::Settings, HttpRunner::Settings> handlers_of(const Options& options,
                                                                      HandlerCommand command) {
  const auto result_bytes_max = static_cast<std::size_t>(options.max_result_bytes);
  if (options.http_port != 0) {
    return HttpRunner::Settings{.port = options.http_port,
                                .path = options.http_path,
                                .queue = options.queue,
                                .result_bytes_max = result_bytes_max,
                                .posts_parents = options.http_posts_parents};
  }
  return HandlerLoop::Settings{.command = std::move(command),
                               .environment = own_environment(),
                               .queue = options.queue,
                               .result_bytes_max = result_bytes_max,
                               .reaps_orphans = getpid() == 1,
                               .on_obstacle = say_ready};
}

Worker::Settings settings_of(const Options& options, HandlerCommand command) {
  return {.identity = {.broker = options.broker,
                       .namespace_name = options.namespace_name,
                       .queue = options.queue,
                       .name = options.name,
                       .instance = options.instance,
                       .access = options.access},
          .handlers = handlers_of(options, std::move(command)),
          .concurrency = options.concurrency,
          .jobs_max = options.max_jobs,
          .grace = std::chrono::seconds{options.grace_seconds},
          .seed = std::random_device{}()};
}

// The exec handler's program; nothing where jobs are posted.
Result<HandlerCommand> command_of(const Options& options) {
  if (options.http_port != 0) return HandlerCommand{};
  const char* const path = std::getenv("PATH");
  return resolve_command(options.command, path != nullptr ? path : "/usr/bin:/bin");
}

std::string answer(Worker& worker, std::string_view question) {
  if (question == "ready") return worker.can_start() ? "ready" : "the handler cannot be started";
  if (question != "drain") return "unknown question";
  worker.drain();
  return "drained";
}

int fail(int status, const Error& error) {
  std::fprintf(stderr, "sluice-worker: %s\n", error.message.c_str());
  return status;
}

int work(const Options& options) {
  auto command = command_of(options);
  if (!command) return fail(kExitNoHandler, command.error());
  const sigset_t stop_signals = block_stop_signals();
  raise_descriptor_limit(options.concurrency);

  const SystemClock clock;
  Worker worker(settings_of(options, std::move(*command)), clock, MemoryWatch::of_this_process());
  std::unique_ptr<ControlSocket> door;
  if (!options.socket.empty()) {
    auto opened = ControlSocket::open(
        options.socket, [&](std::string_view question) { return answer(worker, question); });
    if (!opened) return fail(1, opened.error());
    door = std::move(*opened);
  }
  say_ready({});
  std::jthread waiting([&](const std::stop_token& ended) {
    int signal = 0;
    while (!ended.stop_requested()) {
      sigwait(&stop_signals, &signal);
      worker.stop();
    }
  });
  worker.run();
  waiting.request_stop();
  pthread_kill(waiting.native_handle(), SIGTERM);  // out of sigwait
  return 0;
}

}  // namespace
}  // namespace sluice::worker

int main(int argc, char** argv) {
  // Whoever reads our log may go away; that ends neither the worker nor its handlers.
  std::signal(SIGPIPE, SIG_IGN);
  if (const auto status = sluice::worker::run_pod_command(argc, argv)) return *status;
  const pid_t parent = getppid();
  const auto parsed = sluice::worker::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  sluice::init_logging("sluice-worker", sluice::LogLevel::kInfo, parsed.options->log_format);
  if (parsed.options->exit_with_parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) return 0;  // it ended before the kernel knew to tell us
  }
  return sluice::worker::work(*parsed.options);
}
