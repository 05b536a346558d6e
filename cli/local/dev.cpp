#include "cli/local/dev.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "cli/local/data_folder.h"
#include "cli/local/event_loop.h"
#include "cli/local/processes.h"
#include "cli/local/session.h"
#include "cli/local/view.h"
#include "common/base/clock.h"

namespace sluice::local {
namespace {

// The signals that ask us to end, as something the event loop can wait for.
Result<Fd> block_end_signals() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&wanted, number);
  ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  // Writing to a terminal that is gone must not end us before the workers are drained.
  ::signal(SIGPIPE, SIG_IGN);
  Fd signals(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return system_error("signalfd");
  return signals;
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// While it lives, standard error goes to a file: a log line would tear the screen.
class QuietStderr {
 public:
  explicit QuietStderr(const std::filesystem::path& log)
      : before_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    const Fd file(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
    if (file) ::dup2(file.get(), STDERR_FILENO);
  }
  ~QuietStderr() {
    if (before_) ::dup2(before_.get(), STDERR_FILENO);
  }
  QuietStderr(const QuietStderr&) = delete;
  QuietStderr& operator=(const QuietStderr&) = delete;

 private:
  Fd before_;
};

int fail(const Error& error) {
  std::fprintf(stderr, "sluice dev: %s\n", error.message.c_str());
  return 1;
}

std::string own_folder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

// The absolute forms, because children run elsewhere.
Result<DevOptions> resolve(DevOptions options) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::absolute(options.folder, error);
  if (!std::filesystem::is_directory(folder, error)) {
    return Error{ErrorCode::kInvalidArgument, options.folder + " is not a folder"};
  }
  options.folder = folder.lexically_normal().string();
  if (options.bin_folder.empty()) options.bin_folder = own_folder();
  return options;
}

int run_session(const DevOptions& options, EventLoop& loop, Processes& processes, DataFolder& data,
                const Clock& clock, int end_signals) {
  const auto boot = data.next_boot();
  if (!boot) return fail(boot.error());

  const bool live = ::isatty(STDOUT_FILENO) == 1;
  int exit_status = 0;
  {
    std::optional<QuietStderr> quiet;
    if (live && ::isatty(STDERR_FILENO) == 1) quiet.emplace(data.own_log());
    View view(STDOUT_FILENO, live, options.color);
    Session session(options, loop, processes, data, clock, view, *boot);
    loop.watch(end_signals, [&session, end_signals] {
      signalfd_siginfo info;
      while (::read(end_signals, &info, sizeof(info)) > 0) session.interrupt();
    });
    if (Status prepared = session.prepare(); !prepared) {
      view.complain("sluice dev: " + prepared.error().message);
      exit_status = 1;
    } else {
      exit_status = session.run();
    }
    loop.unwatch(end_signals);
  }
  return exit_status;
}

}  // namespace

int run_dev(const DevOptions& requested) {
  const auto options = resolve(requested);
  if (!options) return fail(options.error());
  init_logging("sluice-dev", LogLevel::kWarn, options->log_format);
  raise_file_limit();
  const auto end_signals = block_end_signals();
  if (!end_signals) return fail(end_signals.error());
  auto data = DataFolder::open(options->data_folder);
  if (!data) return fail(data.error());

  const SystemClock clock;
  auto loop = EventLoop::make(clock);
  if (!loop) return fail(loop.error());
  auto processes = ChildProcesses::make(**loop);
  if (!processes) return fail(processes.error());
  return run_session(*options, **loop, **processes, *data, clock, end_signals->get());
}

}  // namespace sluice::local
