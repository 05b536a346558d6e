#include "worker/handler_loop.h"

#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "common/base/check.h"
#include "common/base/log.h"
#include "worker/shutdown_timeline.h"

namespace sluice::worker {
namespace {

constexpr Duration kIdleWait = std::chrono::seconds{1};  // also how often orphans are looked for
constexpr int kOrphansPerLook = 100;

}  // namespace

HandlerLoop::HandlerLoop(Settings settings, const Clock& clock, MemoryWatch memory,
                         RunEvents events)
    : settings_(std::move(settings)),
      clock_(clock),
      memory_(std::move(memory)),
      events_(std::move(events)),
      wakeup_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(wakeup_.is_open());
  thread_ = std::thread([this] { loop(); });
}

HandlerLoop::~HandlerLoop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
}

void HandlerLoop::start(api::ClaimedJob job) {
  post([this, job = std::move(job)]() mutable { begin(std::move(job)); });
}

void HandlerLoop::cancel(const std::string& id) {
  post([this, id] {
    if (const auto run = runs_.find(id); run != runs_.end()) {
      stop(run->second, StopCause::kCancelled);
    }
  });
}

void HandlerLoop::lose(const std::string& id) {
  post([this, id] {
    const auto run = runs_.find(id);
    if (run == runs_.end()) return;
    run->second.stopped_by = StopCause::kLeaseLost;
    run->second.process->signal(SIGKILL);
  });
}

void HandlerLoop::terminate_all() {
  post([this] { stop_all(StopCause::kShutdown, SIGTERM); });
}

void HandlerLoop::kill_all() {
  post([this] { stop_all(StopCause::kShutdown, SIGKILL); });
}

void HandlerLoop::post(std::function<void()> task) {
  {
    const std::scoped_lock lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake();
}

void HandlerLoop::wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the loop is awake anyhow.
  [[maybe_unused]] const ssize_t written = write(wakeup_.get(), &one, sizeof one);
}

void HandlerLoop::loop() {
  events_.on_startable(true);  // the command was found before we were made
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) break;
    }
    wait_for_something();
    try_again();
    run_tasks();
    std::vector<std::string> ended;
    for (auto& [id, run] : runs_) {
      attend(run);
      if (run.process->has_exited()) ended.push_back(id);
    }
    for (const std::string& id : ended) {
      const auto over = runs_.extract(id);
      end(over.mapped());
    }
    if (settings_.reaps_orphans) reap_orphans();
  }
  runs_.clear();
}

Duration HandlerLoop::time_to_next_event(SteadyPoint now) const {
  SteadyPoint next = std::min(now + kIdleWait, try_again_at_.value_or(SteadyPoint::max()));
  for (const auto& [id, run] : runs_) {
    if (run.stopped_by == StopCause::kNone) next = std::min(next, run.timeout_at);
    if (run.kill_at) next = std::min(next, *run.kill_at);
  }
  return std::max(next - now, Duration::zero());
}

void HandlerLoop::wait_for_something() {
  std::vector<pollfd> polled = {{wakeup_.get(), POLLIN, 0}};
  for (const auto& [id, run] : runs_) run.process->add_poll(polled);
  // Rounded up: waking a moment early would spin until the moment comes.
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(time_to_next_event(clock_.now().steady));
  poll(polled.data(), polled.size(), static_cast<int>(wait.count()));

  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t bytes = read(wakeup_.get(), &count, sizeof count);
}

void HandlerLoop::run_tasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::scoped_lock lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task();
}

void HandlerLoop::begin(api::ClaimedJob job) {
  auto process = HandlerProcess::start(
      {.program = settings_.command.program,
       .argv = settings_.command.argv,
       .environment = handler_environment(settings_.environment, settings_.queue, job),
       .input = job.payload,
       .parents = job.parents_json,
       // One more than may be kept, so that a newline after the largest result is no fault.
       .output_bytes_max = settings_.result_bytes_max + 1});
  if (!process) {
    // Whatever the reason, it is not the job's.
    log_error("handler not started", {{"job", job.id}, {"error", process.error().message}});
    if (process.error().code != ErrorCode::kUnavailable) hold_off(process.error().message);
    events_.on_end(job, RunOutcome{.outcome = api::Outcome::kReleased});
    return;
  }
  try_again_backoff_.reset();
  job.payload = {};  // the handler has its copies
  job.parents_json = {};
  log_debug("handler started", {{"job", job.id}, {"attempt", job.attempt}});
  const std::string id = job.id;
  const SteadyPoint timeout_at =
      clock_.now().steady + std::chrono::seconds{std::max(job.timeout_seconds, 1)};
  runs_.insert_or_assign(id, Run{.job = std::move(job),
                                 .process = std::move(*process),
                                 .timeout_at = timeout_at,
                                 .kill_at = {},
                                 .memory_kills_before = memory_.kills()});
}

void HandlerLoop::attend(Run& run) {
  run.process->pump();
  if (auto progress = run.process->take_progress()) {
    events_.on_progress(run.job.id, std::move(*progress));
  }
  const SteadyPoint now = clock_.now().steady;
  if (run.stopped_by == StopCause::kNone && now >= run.timeout_at && !run.process->has_exited()) {
    stop(run, StopCause::kTimeout);
  }
  if (run.kill_at && now >= *run.kill_at) {
    run.process->signal(SIGKILL);
    run.kill_at.reset();
  }
}

void HandlerLoop::stop(Run& run, StopCause cause) {
  if (run.stopped_by != StopCause::kNone || run.process->has_exited()) return;
  run.stopped_by = cause;
  run.kill_at = clock_.now().steady + kill_delay(std::chrono::seconds{run.job.lease_seconds});
  run.process->signal(SIGTERM);
}

void HandlerLoop::stop_all(StopCause cause, int signal) {
  for (auto& [id, run] : runs_) {
    if (run.process->has_exited()) continue;
    if (run.stopped_by == StopCause::kNone) run.stopped_by = cause;
    run.process->signal(signal);
  }
}

void HandlerLoop::end(Run& run) {
  HandlerExit exit = run.process->finish();
  exit.stopped_by = run.stopped_by;
  exit.out_of_memory = memory_.kills() > run.memory_kills_before;
  if (auto progress = run.process->take_progress()) {
    events_.on_progress(run.job.id, std::move(*progress));
  }
  auto outcome = judge(exit, run.job.timeout_seconds, settings_.result_bytes_max);
  if (outcome && outcome->error) {
    log_info(
        "run failed",
        {{"job", run.job.id}, {"attempt", run.job.attempt}, {"reason", outcome->error->reason}});
  } else {
    log_debug("run ended", {{"job", run.job.id}, {"attempt", run.job.attempt}});
  }
  events_.on_end(run.job, std::move(outcome));
}

void HandlerLoop::hold_off(const std::string& obstacle) {
  const SteadyPoint now = clock_.now().steady;
  if (!try_again_at_) {
    events_.on_startable(false);
    settings_.on_obstacle(obstacle);
  } else if (now < *try_again_at_) {
    return;  // claimed together with the one that told
  }
  try_again_at_ = now + try_again_backoff_.next();
}

// Where nothing is seen, a job has to show whether it can be started.
void HandlerLoop::try_again() {
  if (!try_again_at_ || clock_.now().steady < *try_again_at_) return;
  if (const auto obstacle = obstacle_to(settings_.command.program)) return hold_off(*obstacle);
  try_again_at_.reset();
  settings_.on_obstacle({});
  events_.on_startable(true);
}

void HandlerLoop::reap_orphans() {
  for (int looked = 0; looked < kOrphansPerLook; ++looked) {
    siginfo_t ended{};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
    // A handler of ours is collected by its HandlerProcess, in the next round at the latest.
    const bool is_handler = std::any_of(runs_.begin(), runs_.end(), [&](const auto& entry) {
      return entry.second.process->pid() == ended.si_pid;
    });
    if (is_handler) return;
    waitpid(ended.si_pid, nullptr, WNOHANG);
  }
}

}  // namespace sluice::worker
