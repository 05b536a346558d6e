// Flow control: what holds producers and starts back.
#include <algorithm>
#include <limits>
#include <utility>

#include "broker/engine/engine_state.h"

namespace sluice::broker {

using api::JobState;

namespace {

bool is_slowed(const QueueState& queue, Now now) {
  return queue.is_throttled && queue.throttle.is_slowing(now.steady);
}

// Tokens that come this soon count for the size of the pool.
Duration rate_horizon(const api::QueueSpec& spec) {
  return std::chrono::seconds{std::max(1, spec.due_soon_seconds)};
}

}  // namespace

std::optional<TimePoint> Engine::State::oldest_ready(const QueueState& queue) const {
  const std::optional<TimePoint> in_order = queue.order.oldest(jobs);
  const std::optional<TimePoint> parked = queue.lines.oldest();
  if (!in_order || !parked) return in_order ? in_order : parked;
  return std::min(*in_order, *parked);
}

Load Engine::State::load_of(const QueueState& queue, Now now) const {
  Load load;
  load.backlog = static_cast<std::int64_t>(queue.ready_count() + queue.blocked + queue.backing_off);
  if (const auto oldest = oldest_ready(queue)) load.oldest_age = now.wall - *oldest;
  load.bytes = queue.bytes;
  return load;
}

// A queue's flow control as it stands after a step, and when it has to be looked at again.
void Engine::State::look_at_flow(QueueState& queue, Now now) {
  SteadyPoint next = SteadyPoint::max();
  const api::Pressure pressure_before = queue.pressure;
  queue.pressure = api::Pressure::kNone;
  if (const auto& limits = queue.spec().backpressure) {
    const Load load = load_of(queue, now);
    queue.pressure = pressure_of(*limits, load, pressure_before);
    if (const auto wait = until_age_matters(*limits, load)) next = now.steady + *wait;
  }
  if (queue.pressure != pressure_before) mark_changed(queue, true);

  queue.circuit.advance(now.steady);
  if (queue.circuit.state() == api::CircuitState::kOpen) {
    next = std::min(next, queue.circuit.opens_until());
  }
  if (queue.circuit.state() != std::exchange(queue.circuit_told, queue.circuit.state())) {
    mark_changed(queue, true);
  }
  queue.is_throttled = queue.throttle.is_slowing(now.steady);
  next = std::min(next, next_start_alarm(queue, now));
  set_flow_alarm(queue, next);
}

// When time alone lets the next job start, or is so near to it that workers should be kept.
SteadyPoint Engine::State::next_start_alarm(const QueueState& queue, Now now) const {
  if (queue.order.empty() || queue.dispatch_paused()) return SteadyPoint::max();
  SteadyPoint start = now.steady;
  if (queue.rate_limit) start = queue.rate_limit->next(now.steady);
  if (is_slowed(queue, now)) start = std::max(start, queue.throttle.next(now.steady));
  if (start == now.steady) return SteadyPoint::max();
  const SteadyPoint ahead = start - rate_horizon(queue.spec());
  return ahead > now.steady ? ahead : start;
}

// The moment that was waited for has come.
void Engine::State::meet_flow_alarm(QueueState& queue, Now now) {
  if (!queue.waiters.empty()) to_serve.insert(queue.index);
  mark_changed(queue);
  look_at_flow(queue, now);
}

// After the queue's spec was replaced.
void Engine::State::configure_flow(QueueState& queue, const api::QueueSpec& before, Now now) {
  const auto& rate = queue.spec().rate_limit;
  if (!rate) {
    queue.rate_limit.reset();
  } else if (!queue.rate_limit) {
    queue.rate_limit.emplace(*rate, TokenBucket::Level::kFull, now.steady);
  } else if (rate != before.rate_limit) {
    queue.rate_limit->change(*rate, now.steady);
  }
  if (!queue.spec().circuit_breaker) queue.circuit.close();
  if (limit_per_key(queue.spec()) != queue.lines.limit()) rearrange_lines(queue);
  look_at_flow(queue, now);
}

// The limit per key has changed: the one step beside a purge that looks at every job.
void Engine::State::rearrange_lines(QueueState& queue) {
  std::vector<Slot> keyed;
  jobs.for_each([&](Slot slot) {
    if (jobs[slot].queue == queue.index && jobs[slot].has_key()) keyed.push_back(slot);
  });
  for (const Slot slot : keyed) {
    if (jobs[slot].state == JobState::kReady) leave_ready(queue, slot);
  }
  queue.lines = KeyLines{};
  queue.lines.set_limit(limit_per_key(queue.spec()));
  for (const Slot slot : keyed) {
    const Job& job = jobs[slot];
    if (job.state == JobState::kReady) enter_ready(queue, slot);
    if (job.state == JobState::kRunning) count_in_line(queue, job, 1, 0);
    if (job.backing_off) count_in_line(queue, job, 0, 1);
  }
}

void Engine::State::enter_ready(QueueState& queue, Slot slot) {
  if (queue.lines.limit() > 0 && jobs[slot].has_key()) {
    queue.lines.enter(slot, queue.order, jobs);
  } else {
    queue.order.push(slot, jobs);
  }
}

void Engine::State::leave_ready(QueueState& queue, Slot slot) {
  if (queue.lines.limit() > 0 && jobs[slot].has_key()) {
    queue.lines.take_out(slot, queue.order, jobs);
  } else {
    queue.order.erase(slot, jobs);
  }
}

void Engine::State::count_in_line(QueueState& queue, const Job& job, int running, int backing_off) {
  if (queue.lines.limit() == 0 || !job.has_key()) return;
  queue.lines.count(job.extras->key, running, backing_off, queue.order, jobs);
}

std::int64_t Engine::State::start_limit(const QueueState& queue, Now now, Duration span) const {
  if (queue.dispatch_paused()) return 0;
  std::int64_t count = std::numeric_limits<std::int64_t>::max();
  const auto& limit = queue.spec().concurrency_limit;
  if (limit && limit->max) count = std::max<std::int64_t>(0, *limit->max - queue.running);
  if (queue.rate_limit) count = std::min(count, queue.rate_limit->tokens_within(span, now.steady));
  if (is_slowed(queue, now)) {
    count = std::min(count, queue.throttle.starts_within(span, now.steady));
  }
  return std::min(count, queue.circuit.starts_left());
}

void Engine::State::note_start(QueueState& queue, Now now) {
  queue.recent_starts.add(now.steady);
  if (queue.rate_limit) queue.rate_limit->take(1, now.steady);
  if (is_slowed(queue, now)) queue.throttle.take(now.steady);
}

void Engine::State::note_run_end(QueueState& queue, const Job& job, const LeaseState& lease,
                                 const std::optional<RunResult>& run, Now now) {
  auto outcome = Circuit::RunOutcome::kNeither;
  if (run && run->end == RunEnd::kSucceeded) outcome = Circuit::RunOutcome::kSucceeded;
  const bool failed = run && (run->end == RunEnd::kFailed || run->end == RunEnd::kTimeout);
  if (failed && !job.cancel_requested) {
    const api::RetryPolicy& policy =
        job.extras && job.extras->retry ? *job.extras->retry : queue.spec().retry;
    const bool is_ignored =
        !judge_failure(policy, run->error, job.attempts, job.ignored).spends_attempt;
    if (!is_ignored) outcome = Circuit::RunOutcome::kFailed;
  }
  if (const auto& limits = queue.spec().circuit_breaker) {
    queue.circuit.end(lease.circuit_mark, outcome, *limits, now.steady);
  }

  const bool asks_for_less =
      failed && (run->error.http_status == 429 || run->error.http_status == 503);
  if (!asks_for_less) return;
  std::optional<Duration> retry_after;
  if (run->retry_after_seconds) retry_after = std::chrono::seconds{*run->retry_after_seconds};
  queue.throttle.slow_down(queue.recent_starts.per_second(now.steady), retry_after, now.steady);
  queue.is_throttled = true;
}

bool Engine::State::may_start(const QueueState& queue, Now now) const {
  return !queue.order.empty() && start_limit(queue, now, Duration::zero()) > 0;
}

std::int64_t Engine::State::dispatchable(const QueueState& queue, Now now) const {
  const auto waiting = static_cast<std::int64_t>(queue.order.size() + queue.lines.startable());
  return std::min(waiting, start_limit(queue, now, rate_horizon(queue.spec())));
}

void Engine::State::set_flow_alarm(QueueState& queue, SteadyPoint at) {
  if (at == queue.flow_alarm) return;
  flow_alarms.erase({queue.flow_alarm, queue.index});
  queue.flow_alarm = at;
  if (at != SteadyPoint::max()) flow_alarms.insert({at, queue.index});
}

PressureView Engine::pressure(const QueueName& name, Now now) const {
  const QueueState* queue = state_->find_queue(name);
  if (queue == nullptr || queue->pressure == api::Pressure::kNone) return {};
  const Load load = state_->load_of(*queue, now);
  return {queue->pressure, retry_after_seconds(*queue->spec().backpressure, load, queue->pressure,
                                               queue->drained.per_second(now.steady))};
}

}  // namespace sluice::broker
