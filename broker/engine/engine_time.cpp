// What happens because time passes, and what is told to those who listen.
#include <algorithm>

#include "broker/engine/engine_state.h"
#include "common/base/check.h"

namespace sluice::broker {

using api::JobState;

Engine::Engine(std::uint32_t boot, std::uint64_t seed)
    : state_(std::make_unique<State>(boot, seed)) {}
Engine::~Engine() = default;

bool Engine::State::expire(QueueState& queue, Slot slot, Now now, RecordSink& sink) {
  const Job& job = jobs[slot];
  if (!job.extras || !job.extras->expires_at || job.runs > 0) return false;
  if (*job.extras->expires_at > now.wall) return false;
  unlink(queue, slot);
  api::RunError error;
  error.reason = "Expired";
  error.message = "not started by " + format_rfc3339(*job.extras->expires_at);
  die(queue, slot, std::move(error), now, sink);
  return true;
}

void Engine::State::end_overdue_lease(LeaseState& lease, Now now, RecordSink& sink) {
  const Slot slot = lease.slot;
  QueueState& queue = *queues[jobs[slot].queue];
  RunResult run;
  if (lease.times_out_at <= now.steady) {
    run.end = RunEnd::kTimeout;
    run.error.reason = "Timeout";
    run.error.message = "ran longer than its timeoutSeconds";
    const api::RunError error = run.error;
    end_lease(queue, slot, std::move(run), now, sink);
    after_failure(queue, slot, error, std::nullopt, now, sink);
    return;
  }
  run.end = RunEnd::kLeaseLost;
  run.error.reason = "LeaseLost";
  run.error.message = "no heartbeat for leaseSeconds";
  end_lease(queue, slot, std::move(run), now, sink);
  after_lease_loss(queue, slot, now, sink);
}

// Due jobs of one queue, then dead ones past their retention; whether more is due.
bool Engine::State::advance_queue(QueueState& queue, Now now, std::size_t& steps,
                                  RecordSink& sink) {
  const std::int64_t now_us = now.wall.time_since_epoch().count();
  const std::int64_t soon_us =
      now_us + Duration{std::chrono::seconds{queue.spec().due_soon_seconds}}.count();
  while (!queue.scheduled.empty() && queue.scheduled.top_key() <= soon_us) {
    if (steps++ >= kStepsMax) return true;
    const Slot slot = queue.scheduled.pop(jobs);
    jobs[slot].due_soon = true;
    queue.due_soon.push(slot, jobs[slot].due_at.time_since_epoch().count(), jobs);
    mark_changed(queue, true);
  }
  while (!queue.due_soon.empty() && queue.due_soon.top_key() <= now_us) {
    if (steps++ >= kStepsMax) return true;
    const Slot slot = queue.due_soon.pop(jobs);
    Job& job = jobs[slot];
    job.due_soon = false;
    leave_backoff(queue, slot);
    const bool takes_place = job.has_key() && !job.in_line;
    make_ready(queue, slot, job.due_at, now);
    // Its record says when; only its place among the jobs of its key is news.
    if (takes_place) write_job(queue, slot, sink);
  }
  const Duration retention = std::chrono::seconds{queue.spec().dead_letter.retention_seconds};
  for (auto dead = queue.dead.begin();
       dead != queue.dead.end() && dead->first + retention <= now.wall;) {
    if (steps++ >= kStepsMax) return true;
    const Slot slot = jobs.find(dead->second);
    ++dead;
    const Job& job = jobs[slot];
    if (job.extras->source && !job.acknowledged) continue;
    remove_dead(queue, slot, now, sink);
  }
  return false;
}

bool Engine::advance(Now now, RecordSink& sink) {
  State& s = *state_;
  std::size_t steps = 0;
  while (!s.lease_ends.empty() && s.lease_ends.top_key() <= now.steady.time_since_epoch().count()) {
    if (steps++ >= kStepsMax) return true;
    s.end_overdue_lease(s.leases.all[s.lease_ends.top()], now, sink);
  }
  while (!s.expiries.empty() && s.expiries.begin()->first <= now.wall) {
    if (steps++ >= kStepsMax) return true;
    const Slot slot = s.jobs.find(s.expiries.begin()->second);
    CHECK(slot != kNoSlot);
    CHECK(s.expire(*s.queues[s.jobs[slot].queue], slot, now, sink));
  }
  while (!s.flow_alarms.empty() && s.flow_alarms.begin()->first <= now.steady) {
    if (steps++ >= kStepsMax) return true;
    s.meet_flow_alarm(*s.queues[s.flow_alarms.begin()->second], now);
  }
  if (s.release_children(now, steps, kStepsMax, sink)) return true;
  while (!s.redrives_due.empty() && s.redrives_due.begin()->first <= now.steady) {
    if (steps >= kStepsMax) return true;
    steps += kRedriveSliceMax;
    const State::RedriveKey key = s.redrives_due.begin()->second;
    s.redrives_due.erase(s.redrives_due.begin());
    s.run_redrive(key, now, sink);
  }
  while (!s.alarms.empty() && s.alarms.begin()->first <= now.wall) {
    QueueState& queue = *s.queues[s.alarms.begin()->second];
    if (s.advance_queue(queue, now, steps, sink)) return true;
    s.reset_alarm(queue);
    if (queue.alarm <= now.wall) return true;  // unacknowledged dead letters: not a reason to spin
  }
  return false;
}

void Engine::State::reset_alarm(QueueState& queue) {
  TimePoint next = TimePoint::max();
  const auto at = [](std::int64_t us) { return TimePoint{Duration{us}}; };
  if (!queue.scheduled.empty()) {
    next = std::min(
        next, at(queue.scheduled.top_key()) - std::chrono::seconds{queue.spec().due_soon_seconds});
  }
  if (!queue.due_soon.empty()) next = std::min(next, at(queue.due_soon.top_key()));
  const Duration retention = std::chrono::seconds{queue.spec().dead_letter.retention_seconds};
  for (const auto& [died_at, id] : queue.dead) {
    const Job& job = jobs[jobs.find(id)];
    if (job.extras->source && !job.acknowledged) continue;
    next = std::min(next, died_at + retention);
    break;
  }
  if (next == queue.alarm) return;
  alarms.erase({queue.alarm, queue.index});
  queue.alarm = next;
  if (next != TimePoint::max()) alarms.insert({next, queue.index});
}

std::optional<Duration> Engine::until_next(Now now) const {
  const State& s = *state_;
  std::optional<Duration> next;
  const auto consider = [&](Duration wait) {
    wait = std::max(wait, Duration::zero());
    if (!next || wait < *next) next = wait;
  };
  if (!s.lease_ends.empty()) {
    consider(SteadyPoint{Duration{s.lease_ends.top_key()}} - now.steady);
  }
  if (!s.expiries.empty()) consider(s.expiries.begin()->first - now.wall);
  if (!s.alarms.empty()) consider(s.alarms.begin()->first - now.wall);
  if (!s.flow_alarms.empty()) consider(s.flow_alarms.begin()->first - now.steady);
  if (!s.to_release.empty()) consider(Duration::zero());
  if (!s.redrives_due.empty()) consider(s.redrives_due.begin()->first - now.steady);
  for (const std::uint32_t index : s.to_signal) {
    const QueueState& queue = *s.queues[index];
    const Duration interval = queue.urgent ? kUrgentSignalInterval : kSignalInterval;
    consider(queue.last_signal + interval - now.steady);
  }
  return next;
}

void Engine::State::mark_changed(QueueState& queue, bool urgent) {
  queue.changed = true;
  queue.urgent = queue.urgent || urgent;
  if (signals_wanted) to_signal.insert(queue.index);
  if (queue.has_flow_control()) to_look_at.insert(queue.index);
}

void Engine::want_signals(bool wanted, bool everything) {
  State& s = *state_;
  s.signals_wanted = wanted;
  s.to_signal.clear();
  if (!wanted) return;
  for (const auto& [name, queue] : s.queue_by_name) {
    if (everything) {
      queue->changed = queue->urgent = true;
      queue->last_signal = {};
    }
    if (queue->changed) s.to_signal.insert(queue->index);
  }
}

void Engine::State::collect_signals(Now now) {
  for (auto at = to_signal.begin(); at != to_signal.end();) {
    QueueState& queue = *queues[*at];
    const Duration interval = queue.urgent ? kUrgentSignalInterval : kSignalInterval;
    if (queue.last_signal + interval > now.steady) {
      ++at;
      continue;
    }
    queue.changed = queue.urgent = false;
    queue.last_signal = now.steady;
    if (!queue.is_shell()) {
      effects.signals.push_back({queue.record.name.namespace_name, queue.record.name.name,
                                 figures_of(queue, now), workers_of(queue)});
    }
    at = to_signal.erase(at);
  }
}

Effects Engine::take_effects(Now now, RecordSink& sink) {
  State& s = *state_;
  // What ended may have made room for others.
  s.to_serve.insert(s.to_look_at.begin(), s.to_look_at.end());
  s.release_some(now, sink);
  for (const std::uint32_t index : s.to_serve) s.serve_waiters(*s.queues[index], now, sink);
  s.to_serve.clear();
  for (const std::uint32_t index : s.to_look_at) {
    s.look_at_flow(*s.queues[index], now);
    s.tell_deliverer(*s.queues[index], now);
  }
  s.just_left.clear();
  s.to_look_at.clear();  // looking marks what it changed: that was this look
  if (s.signals_wanted) s.collect_signals(now);
  return std::exchange(s.effects, {});
}

}  // namespace sluice::broker
