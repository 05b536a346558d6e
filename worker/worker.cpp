#include "worker/worker.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "common/base/log.h"
#include "worker/shutdown_timeline.h"

namespace sluice::worker {
namespace {

constexpr std::chrono::seconds kClaimWait{30};  // the long poll's
constexpr int kClaimMax = 100;
// How long a claim under way may take once we stop. The broker answers it as soon as it hears that
// we drain; hanging up at once would throw away jobs it has just granted.
constexpr std::chrono::seconds kLastClaimWait{1};

std::unique_ptr<JobRunner> make_runner(
    const std::variant<HandlerLoop::Settings, HttpRunner::Settings>& settings, const Clock& clock,
    MemoryWatch memory, RunEvents events) {
  if (const auto* http = std::get_if<HttpRunner::Settings>(&settings)) {
    return std::make_unique<HttpRunner>(*http, clock, std::move(events));
  }
  return std::make_unique<HandlerLoop>(std::get<HandlerLoop::Settings>(settings), clock,
                                       std::move(memory), std::move(events));
}

}  // namespace

Worker::Worker(Settings settings, const Clock& clock, MemoryWatch memory)
    : settings_(std::move(settings)),
      clock_(clock),
      claims_(settings_.identity),
      reports_(settings_.identity),
      leases_(clock.now().steady),
      outbox_(std::visit([](const auto& one) { return one.result_bytes_max; }, settings_.handlers)),
      handlers_(make_runner(settings_.handlers, clock, std::move(memory), events())) {
  leases_.report_soon();  // before the first claim
}

RunEvents Worker::events() {
  return {
      .on_progress =
          [this](const std::string& id, api::Progress progress) {
            const std::scoped_lock lock(mutex_);
            leases_.set_progress(id, std::move(progress));
            changed_.notify_all();
          },
      .on_end = [this](const api::ClaimedJob& job,
                       std::optional<RunOutcome> outcome) { on_run_end(job, std::move(outcome)); },
      .on_startable =
          [this](bool can_start) {
            const std::scoped_lock lock(mutex_);
            can_start_ = can_start;
            changed_.notify_all();
          }};
}

void Worker::run() {
  std::thread claiming([this] { claim_jobs(); });
  std::thread beating([this] { send_heartbeats(); });
  std::thread settling([this] { settle_runs(); });
  {
    std::unique_lock lock(mutex_);
    changed_.wait(
        lock, [this] { return stopped_at_.has_value() || (is_finished() && !is_beside_server()); });
    if (stopped_at_) follow_shutdown(lock);
    if (is_beside_server()) changed_.wait(lock, [this] { return may_leave_; });
    if (!is_finished()) {
      log_warn("grace is over with jobs unsettled", {{"jobs", leases_.size()}});
    }
    over_ = true;
    changed_.notify_all();
  }
  claims_.cancel();
  reports_.cancel();
  claiming.join();
  beating.join();
  settling.join();
}

void Worker::stop() {
  const std::scoped_lock lock(mutex_);
  may_leave_ = true;
  begin_shutdown();
}

void Worker::drain() {
  std::unique_lock lock(mutex_);
  begin_shutdown();
  const Duration patience = shutdown_timeline(settings_.grace).terminate_after;
  changed_.wait_until(lock, *stopped_at_ + patience, [this] { return over_ || is_finished(); });
}

void Worker::begin_shutdown() {
  if (!stopped_at_) {
    stopped_at_ = clock_.now().steady;
    leases_.report_soon();
    log_info("stopping", {{"holding", leases_.size()}});
  }
  changed_.notify_all();
}

bool Worker::can_start() {
  const std::scoped_lock lock(mutex_);
  return can_start_;
}

void Worker::follow_shutdown(std::unique_lock<std::mutex>& lock) {
  const ShutdownTimeline timeline = shutdown_timeline(settings_.grace);
  changed_.wait_until(lock, *stopped_at_ + kLastClaimWait, [this] { return !claim_under_way_; });
  claims_.cancel();
  const auto finished_by = [&](Duration after) {
    return changed_.wait_until(lock, *stopped_at_ + after, [this] { return is_finished(); });
  };
  if (finished_by(timeline.terminate_after)) return;
  log_info("ending handlers", {{"running", running_}});
  handlers_->terminate_all();
  if (finished_by(timeline.kill_after)) return;
  handlers_->kill_all();
  finished_by(timeline.give_up_after);
}

bool Worker::takes_no_more() const {
  return stopped_at_.has_value() || (settings_.jobs_max > 0 && claimed_ >= settings_.jobs_max);
}

bool Worker::may_claim() const {
  return can_start_ && !drain_asked_ && beat_heard_ && settle_heard_ &&
         outbox_.size() < kUnsettledMax;
}

// --- claims ---

// How many jobs to ask for; absent when none will ever be again.
std::optional<int> Worker::wait_for_slots() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (over_ || takes_no_more()) return std::nullopt;
    std::int64_t free = settings_.concurrency - running_;
    if (settings_.jobs_max > 0) free = std::min(free, settings_.jobs_max - claimed_);
    if (may_claim() && free > 0) {
      claim_under_way_ = true;
      return static_cast<int>(std::min<std::int64_t>(free, kClaimMax));
    }
    changed_.wait(lock);
  }
}

void Worker::claim_jobs() {
  Backoff backoff(settings_.seed);
  while (const auto free = wait_for_slots()) {
    auto reply = claims_.claim(*free, kClaimWait);
    end_claim(reply);
    if (!reply && !pause(Duration::zero())) return;
    if (!reply) log_warn("claim failed", {{"error", reply.error().message}});
    bool is_well = static_cast<bool>(reply);
    {
      const std::scoped_lock lock(mutex_);
      is_well = is_well && !std::exchange(start_failed_, false);
    }
    if (is_well) {
      backoff.reset();
    } else if (!pause(backoff.next())) {
      return;
    }
  }
}

void Worker::end_claim(Result<api::ClaimReply>& reply) {
  {
    const std::scoped_lock lock(mutex_);
    claim_under_way_ = false;
    if (reply) {
      for (const api::ClaimedJob& job : reply->jobs) leases_.add(job);
      running_ += static_cast<int>(reply->jobs.size());
      claimed_ += static_cast<std::int64_t>(reply->jobs.size());
    }
  }
  changed_.notify_all();
  if (!reply) return;
  set_drain(reply->drain);
  for (api::ClaimedJob& job : reply->jobs) handlers_->start(std::move(job));
}

void Worker::set_drain(bool drain) {
  const std::scoped_lock lock(mutex_);
  if (drain_asked_ == drain) return;
  drain_asked_ = drain;
  leases_.set_draining(drain);
  log_info(drain ? "draining" : "draining ended", {{"holding", leases_.size()}});
  changed_.notify_all();
}

// --- heartbeats ---

void Worker::send_heartbeats() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    if (clock_.now().steady < leases_.next_report()) {
      changed_.wait_until(lock, leases_.next_report());
      continue;
    }
    const auto report = leases_.take_report(clock_.now().steady);
    const bool draining = drain_asked_ || takes_no_more();
    const Duration timeout = leases_.report_timeout();
    lock.unlock();

    const auto reply = reports_.extend(report, draining, timeout);
    if (reply) act_on(*reply);

    lock.lock();
    beat_heard_ = static_cast<bool>(reply);
    if (beat_heard_) changed_.notify_all();
    if (!reply && !over_) {
      log_warn("heartbeat failed", {{"error", reply.error().message}});
      leases_.report_failed(report, clock_.now().steady);
    }
  }
}

void Worker::act_on(const api::ExtendReply& reply) {
  // A job whose run is over is not the loop's any more; its settlement will be answered.
  for (const auto& lease : reply.leases) {
    if (lease.status == api::LeaseStatus::kLost) {
      handlers_->lose(lease.id);
    } else if (lease.status == api::LeaseStatus::kCancelled) {
      handlers_->cancel(lease.id);
    }
  }
  set_drain(reply.drain);
}

// --- settlements ---

void Worker::on_run_end(const api::ClaimedJob& job, std::optional<RunOutcome> outcome) {
  const std::scoped_lock lock(mutex_);
  --running_;
  if (outcome) {
    // Only a run that could not begin is handed back while nobody stops us.
    start_failed_ =
        start_failed_ || (outcome->outcome == api::Outcome::kReleased && !stopped_at_.has_value());
    outbox_.add({.id = job.id,
                 .lease = job.lease,
                 .outcome = outcome->outcome,
                 .result_json = std::move(outcome->result_json),
                 .follow_ups = std::move(outcome->follow_ups),
                 .error = std::move(outcome->error),
                 .retry_after_seconds = outcome->retry_after_seconds});
  } else {
    log_warn("lease lost", {{"job", job.id}});
    leases_.remove(job.id);
  }
  changed_.notify_all();
}

void Worker::settle_runs() {
  Backoff backoff(settings_.seed + 1);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return over_ || !outbox_.empty(); });
    if (over_) return;
    const auto batch = outbox_.batch();
    lock.unlock();
    const auto reply = reports_.settle(batch);
    lock.lock();
    if (over_) return;

    settle_heard_ = reply || !SettleOutbox::may_succeed_later(reply.error().code);
    const auto verdicts =
        reply ? outbox_.answered(batch, *reply) : outbox_.refused(batch, reply.error());
    if (!reply) {
      log_warn("settle failed", {{"jobs", batch.size()}, {"error", reply.error().message}});
    }
    act_on(verdicts);
    const bool any_final = std::any_of(verdicts.begin(), verdicts.end(), [](const auto& one) {
      return one.fate != SettleVerdict::Fate::kAgain;
    });
    if (any_final) {
      backoff.reset();
      continue;
    }
    const Duration wait = backoff.next();
    changed_.wait_for(lock, wait, [this] { return over_; });
  }
}

// Requires mutex_.
void Worker::act_on(const std::vector<SettleVerdict>& verdicts) {
  for (const SettleVerdict& verdict : verdicts) {
    if (verdict.fate == SettleVerdict::Fate::kAgain) continue;
    if (verdict.fate == SettleVerdict::Fate::kRefused) {
      log_warn("settlement refused", {{"job", verdict.id}, {"status", verdict.status}});
    }
    leases_.remove(verdict.id);
  }
  // The operator waits to hear that a draining worker holds nothing.
  if (leases_.size() == 0 && (drain_asked_ || takes_no_more())) leases_.report_soon();
  changed_.notify_all();
}

// False when there is nothing left to wait for.
bool Worker::pause(Duration time) {
  std::unique_lock lock(mutex_);
  const auto ends = [this] { return over_ || takes_no_more(); };
  return !changed_.wait_for(lock, time, ends);
}

}  // namespace sluice::worker
