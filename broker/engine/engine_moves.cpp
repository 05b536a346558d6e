// The moves of one job between its places. Every command is made of these.
#include <algorithm>
#include <limits>

#include "broker/engine/engine_state.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

constexpr std::int64_t kStrictPriorityStep = std::int64_t{1}
                                             << 56;  // above any time in microseconds

// readyAt − priority × agingSeconds; with agingSeconds 0 a higher priority always goes first.
std::int64_t order_key(TimePoint ready_at, int priority, int aging_seconds) {
  const std::int64_t at = ready_at.time_since_epoch().count();
  if (aging_seconds == 0) return at + (kPriorities - 1 - priority) * kStrictPriorityStep;
  return at - Duration{std::chrono::seconds{aging_seconds}}.count() * priority;
}

// A death makes room for one; a limit that was lowered for many, which nobody enqueues beside.
constexpr std::size_t kRememberedMax = 1'000;

template <typename Small>
void count_up(Small& counter) {
  if (counter < std::numeric_limits<Small>::max()) ++counter;
}

}  // namespace

using api::JobState;

QueueState* Engine::State::find_queue(const QueueName& name) const {
  const auto found = queue_by_name.find(name);
  return found == queue_by_name.end() ? nullptr : found->second;
}

Result<QueueState*> Engine::State::require_queue(const QueueName& name) const {
  QueueState* queue = find_queue(name);
  if (queue == nullptr || queue->record.retained) return no_such_queue(name);
  return queue;
}

Error Engine::State::no_such_queue(const QueueName& name) {
  return {ErrorCode::kNotFound,
          "there is no queue " + name.name + " in namespace " + name.namespace_name};
}

Slot Engine::State::find_job(const QueueState& queue, JobId id) const {
  const Slot slot = jobs.find(id);
  return slot != kNoSlot && jobs[slot].queue == queue.index ? slot : kNoSlot;
}

LeaseState* Engine::State::lease_of(Slot slot) {
  const Job& job = jobs[slot];
  return job.state == JobState::kRunning ? &leases.all[job.position] : nullptr;
}

void Engine::State::make_ready(QueueState& queue, Slot slot, TimePoint ready_at, Now now) {
  Job& job = jobs[slot];
  job.due_at = ready_at;
  job.order_key = order_key(ready_at, static_cast<int>(job.priority), queue.spec().aging_seconds);
  if (job.has_key() && !job.in_line) {
    job.in_line = true;
    queue.last_key_position =
        std::max(now.wall.time_since_epoch().count(), queue.last_key_position + 1);
    job.extras->key_position = queue.last_key_position;
  }
  put_back(queue, slot, now);
}

void Engine::State::put_back(QueueState& queue, Slot slot, Now now) {
  Job& job = jobs[slot];
  const bool was_empty = queue.ready_count() == 0 && queue.running == 0;
  job.state = JobState::kReady;
  job.backing_off = false;
  enter_ready(queue, slot);
  watch_expiry(job);
  queue.became_ready.add(1, now.steady);
  if (!queue.waiters.empty()) to_serve.insert(queue.index);
  mark_changed(queue, was_empty);
}

void Engine::State::make_scheduled(QueueState& queue, Slot slot, TimePoint due_at,
                                   bool backing_off) {
  Job& job = jobs[slot];
  job.state = JobState::kScheduled;
  job.due_at = due_at;
  job.backing_off = backing_off;
  job.due_soon = false;
  if (backing_off) {
    ++queue.backing_off;
    count_in_line(queue, job, 0, 1);
  } else {
    job.in_line = false;
  }
  // advance() moves it to due_soon when it is time, at once if need be.
  queue.scheduled.push(slot, due_at.time_since_epoch().count(), jobs);
  watch_expiry(job);
  reset_alarm(queue);
  mark_changed(queue);
}

void Engine::State::watch_expiry(const Job& job) {
  if (job.extras && job.extras->expires_at && job.runs == 0) {
    expiries.insert({*job.extras->expires_at, job.id});
  }
}

void Engine::State::leave_backoff(QueueState& queue, Slot slot) {
  Job& job = jobs[slot];
  if (!job.backing_off) return;
  job.backing_off = false;
  --queue.backing_off;
  count_in_line(queue, job, 0, -1);
}

void Engine::State::unlink(QueueState& queue, Slot slot) {
  const bool was_ready = jobs[slot].state == JobState::kReady;
  take_out(queue, slot);
  if (was_ready) count_in_line(queue, jobs[slot], 0, 0);
}

void Engine::State::take_out(QueueState& queue, Slot slot) {
  Job& job = jobs[slot];
  switch (job.state) {
    case JobState::kReady:
      leave_ready(queue, slot);
      break;
    case JobState::kScheduled:
      (job.due_soon ? queue.due_soon : queue.scheduled).erase(slot, jobs);
      job.due_soon = false;
      leave_backoff(queue, slot);
      reset_alarm(queue);
      break;
    case JobState::kBlocked:
      --queue.blocked;
      stop_waiting(job);
      break;
    case JobState::kDead:
      queue.dead.erase({job.due_at, job.id});
      reset_alarm(queue);
      break;
    default:
      CHECK(false && "a running job ends its lease instead");
  }
  if (job.extras && job.extras->expires_at && job.runs == 0) {
    expiries.erase({*job.extras->expires_at, job.id});
  }
  mark_changed(queue);
}

void Engine::State::start(QueueState& queue, Slot slot, ClaimNumber claim, WorkerState& worker,
                          Now now) {
  take_out(queue, slot);
  Job& job = jobs[slot];
  const int timeout_seconds = job.extras && job.extras->timeout_seconds
                                  ? *job.extras->timeout_seconds
                                  : queue.spec().timeout_seconds;
  const int lease_seconds = queue.spec().lease_seconds;

  std::uint32_t index = 0;
  if (leases.free.empty()) {
    index = static_cast<std::uint32_t>(leases.all.size());
    leases.all.emplace_back();
  } else {
    index = leases.free.back();
    leases.free.pop_back();
  }
  LeaseState& lease = leases.all[index];
  lease.slot = slot;
  lease.claim = claim;
  lease.started_at = now.wall;
  lease.started_steady = now.steady;
  lease.circuit_mark = queue.circuit.start();
  lease.deadline = now.wall + std::chrono::seconds{timeout_seconds};
  lease.expires_at = now.steady + std::chrono::seconds{lease_seconds};
  lease.times_out_at =
      now.steady + std::chrono::seconds{timeout_seconds + std::min(lease_seconds, 5)};
  lease.worker = &worker;
  lease_ends.push(index, lease.key(), leases);

  job.state = JobState::kRunning;
  job.position = index;
  ++worker.running;
  ++queue.running;
  count_in_line(queue, job, 1, 0);
  queue.running_started_sum += now.steady.time_since_epoch().count();
  queue.started.add(1, now.steady);
  leases.link(claims[static_cast<std::uint64_t>(claim)], &LeaseState::of_claim, index);
  leases.link(worker.leases, &LeaseState::of_worker, index);
  if (job.extras && job.extras->source) {
    note_outcome(queue, job.id, *job.extras->source, JobState::kRunning);
  }
}

void LeaseTable::link(LeaseList& list, Links links, std::uint32_t index) {
  all[index].*links = {list.first, kNoLease};
  if (list.first != kNoLease) (all[list.first].*links).previous = index;
  list.first = index;
}

void LeaseTable::unlink(LeaseList& list, Links links, std::uint32_t index) {
  const auto [next, previous] = all[index].*links;
  if (next != kNoLease) (all[next].*links).previous = previous;
  (previous != kNoLease ? (all[previous].*links).next : list.first) = next;
}

std::vector<Slot> LeaseTable::slots(const LeaseList& list, Links links) const {
  std::vector<Slot> slots;
  for (auto index = list.first; index != kNoLease; index = (all[index].*links).next) {
    slots.push_back(all[index].slot);
  }
  return slots;
}

void Engine::State::drop_lease(std::uint32_t index, RecordSink& sink) {
  LeaseState& lease = leases.all[index];
  const auto claim = claims.find(static_cast<std::uint64_t>(lease.claim));
  CHECK(claim != claims.end());
  leases.unlink(claim->second, &LeaseState::of_claim, index);
  leases.unlink(lease.worker->leases, &LeaseState::of_worker, index);
  if (claim->second.first == kNoLease) {
    sink.drop_claim(lease.claim);
    claims.erase(claim);
  }
  lease_ends.erase(index, leases);
  lease = LeaseState{};
  leases.free.push_back(index);
}

void Engine::State::end_lease(QueueState& queue, Slot slot, std::optional<RunResult> run, Now now,
                              RecordSink& sink) {
  Job& job = jobs[slot];
  CHECK(job.state == JobState::kRunning);
  const std::uint32_t index = job.position;
  LeaseState& lease = leases.all[index];
  note_run_end(queue, job, lease, run, now);

  if (run) {
    ++job.runs;
    ++queue.totals.run_ends[static_cast<std::size_t>(run->end)];
    const bool plain_success = run->end == RunEnd::kSucceeded && !job.extras;
    if (!plain_success || queue.spec().result_ttl_seconds > 0) {
      JobExtras& extras = job.make_extras();
      extras.worker = lease.worker->name;
      extras.started_at = lease.started_at;
      if (run->end != RunEnd::kSucceeded) {
        cut_text(run->error.message, kHistoryMessageBytesMax);
        extras.history.push_back({lease.started_at, now.wall, run->end, lease.worker->name,
                                  run->error.reason, run->error.message, run->error.exit_code,
                                  run->error.http_status});
        if (extras.history.size() > kHistoryRunsMax) extras.history.erase(extras.history.begin());
      }
    }
    queue.runs.add(now.steady - lease.started_steady, now.steady);
  }

  --lease.worker->running;
  --queue.running;
  count_in_line(queue, job, -1, 0);
  queue.running_started_sum -= lease.started_steady.time_since_epoch().count();
  drop_lease(index, sink);
  mark_changed(queue);
}

void Engine::State::after_failure(QueueState& queue, Slot slot, const api::RunError& error,
                                  std::optional<int> retry_after_seconds, Now now,
                                  RecordSink& sink) {
  Job& job = jobs[slot];
  queue.failed.add(1, now.steady);
  if (job.cancel_requested) return finish(queue, slot, JobState::kCancelled, {}, now, sink);

  const api::RetryPolicy& policy =
      job.extras && job.extras->retry ? *job.extras->retry : queue.spec().retry;
  const FailureVerdict verdict = judge_failure(policy, error, job.attempts, job.ignored);
  count_up(verdict.spends_attempt ? job.attempts : job.ignored);
  if (verdict.fate == FailureVerdict::Fate::kDead) return die(queue, slot, error, now, sink);

  job.make_extras().error = error;
  cut_text(job.extras->error->message, kErrorMessageBytesMax);
  const int failures = verdict.spends_attempt ? job.attempts : job.ignored;
  const Duration delay = retry_after_seconds ? Duration{std::chrono::seconds{*retry_after_seconds}}
                                             : backoff_delay(policy.backoff, failures, jitter);
  make_scheduled(queue, slot, now.wall + delay, true);
  write_job(queue, slot, sink);
}

void Engine::State::after_lease_loss(QueueState& queue, Slot slot, Now now, RecordSink& sink) {
  Job& job = jobs[slot];
  if (job.cancel_requested) return finish(queue, slot, JobState::kCancelled, {}, now, sink);

  const api::RetryPolicy& policy =
      job.extras && job.extras->retry ? *job.extras->retry : queue.spec().retry;
  count_up(job.lease_losses);
  api::RunError error;
  error.reason = "LeaseLost";
  error.message = "the worker stopped answering";
  if (job.lease_losses > policy.max_lease_losses) {
    return die(queue, slot, std::move(error), now, sink);
  }
  job.make_extras().error = std::move(error);
  put_back(queue, slot, now);
  write_job(queue, slot, sink);
}

void Engine::State::hand_back(QueueState& queue, Slot slot, Now now, RecordSink& sink) {
  if (jobs[slot].cancel_requested) return finish(queue, slot, JobState::kCancelled, {}, now, sink);
  put_back(queue, slot, now);
  write_job(queue, slot, sink);
}

void Engine::State::die(QueueState& queue, Slot slot, api::RunError error, Now now,
                        RecordSink& sink) {
  Job& job = jobs[slot];
  cut_text(error.message, kErrorMessageBytesMax);
  job.make_extras().error = std::move(error);
  leave_schedule(queue, slot, now, sink);
  free_unique_key(queue, job);
  sink.drop_job(queue.record.number, job.id);

  job.state = JobState::kDead;
  job.in_line = false;
  job.due_at = now.wall;  // the time of death
  job.acknowledged = false;
  queue.bytes -= job.payload_bytes;
  queue.drained.add(now.steady);
  ++queue.totals.dead;
  queue.dead.insert({job.due_at, job.id});
  write_job(queue, slot, sink);
  if (job.extras->source) note_outcome(queue, job.id, *job.extras->source, JobState::kDead);
  end_parent(job.id, JobState::kDead, false);
  leave_group(queue, job, JobState::kDead, now, sink);
  call_back(queue, job, JobState::kDead, {}, now, sink);
  tell_watchers(job);
  tell_listeners(queue, job, now);
  reset_alarm(queue);
  mark_changed(queue);
  evict_dead(queue, now, sink);
}

void Engine::State::finish(QueueState& queue, Slot slot, JobState state, std::string_view result,
                           Now now, RecordSink& sink) {
  Job& job = jobs[slot];
  leave_schedule(queue, slot, now, sink);
  free_unique_key(queue, job);
  sink.drop_job(queue.record.number, job.id);
  sink.drop_body(queue.record.number, job.id);

  int ttl_seconds = job.extras && job.extras->ttl_seconds_after_finished
                        ? *job.extras->ttl_seconds_after_finished
                        : queue.spec().result_ttl_seconds;
  // Whoever waits for the end gets to see it.
  if (!watched.empty() && watched.contains(job.id)) {
    ttl_seconds = std::max(ttl_seconds, kKeptForWatchersSeconds);
  }
  const TimePoint expires_at = now.wall + std::chrono::seconds{ttl_seconds};
  FinishedRecord record = finished_record(queue, job, state, expires_at, now);
  record.result_json = result;
  if (ttl_seconds > 0) sink.put_finished(record);
  const bool has_source = job.extras && job.extras->source;
  if (has_source || parents.contains(job.id)) sink.put_outcome(record);
  if (has_source) note_outcome(queue, job.id, *job.extras->source, state);
  end_parent(job.id, state, true);
  leave_group(queue, job, state, now, sink);
  call_back(queue, job, state, result, now, sink);
  leave_parents(job, sink);
  const TimePoint keep_until =
      job.created_at + std::chrono::seconds{queue.spec().idempotency_seconds};
  if (job.key) write_key(queue, job, std::max(expires_at, keep_until), sink);

  job.state = state;
  note_end(slot);
  tell_listeners(queue, job, now);
  queue.bytes -= job.payload_bytes;
  queue.drained.add(now.steady);
  ++(state == JobState::kSucceeded ? queue.totals.succeeded : queue.totals.cancelled);
  remove_job(slot);
  mark_changed(queue);
}

FinishedRecord Engine::State::finished_record(const QueueState& queue, const Job& job,
                                              JobState state, TimePoint expires_at, Now now) const {
  FinishedRecord record;
  record.queue = queue.record.number;
  record.id = job.id;
  record.state = state;
  record.priority = static_cast<int>(job.priority);
  record.attempts = job.attempts;
  record.lease_losses = job.lease_losses;
  record.releases = job.releases;
  record.created_at = job.created_at;
  record.due_at = job.due_at;
  record.finished_at = job.state == JobState::kDead ? job.due_at : now.wall;
  record.expires_at = expires_at;
  record.cancel_requested = job.cancel_requested;
  record.extras = job.extras.get();
  return record;
}

void Engine::State::remove_dead(QueueState& queue, Slot slot, Now now, RecordSink& sink) {
  Job& job = jobs[slot];
  if (parents.contains(job.id)) {
    sink.put_outcome(finished_record(queue, job, JobState::kDead, now.wall, now));
    end_parent(job.id, JobState::kDead, true);
  }
  leave_parents(job, sink);
  unlink(queue, slot);
  sink.drop_dead(queue.record.number, job.id);
  sink.drop_body(queue.record.number, job.id);
  if (job.key) {
    const TimePoint keep_until =
        job.created_at + std::chrono::seconds{queue.spec().idempotency_seconds};
    write_key(queue, job, std::max(keep_until, now.wall), sink);
  }
  if (job.extras->source) forget_outcome(job.id);
  job.state = JobState::kCancelled;
  note_end(slot);
  if (const auto end = recent_ends.find(job.id); end != recent_ends.end())
    end->second.state.reset();
  remove_job(slot);
}

void Engine::State::evict_dead(QueueState& queue, Now now, RecordSink& sink) {
  const auto limit = static_cast<std::size_t>(queue.spec().dead_letter.max_jobs);
  auto oldest = queue.dead.begin();
  while (queue.dead.size() > limit && oldest != queue.dead.end()) {
    const Slot slot = jobs.find(oldest->second);
    ++oldest;
    const Job& job = jobs[slot];
    // Somebody still has to read how a job with a source ended.
    if (job.extras->source && !job.acknowledged) continue;
    if (queue.dead.size() <= limit + kRememberedMax) {
      remember_as_parent(queue, slot, JobState::kDead, now);
    }
    remove_dead(queue, slot, now, sink);
  }
}

void Engine::State::cancel(QueueState& queue, Slot slot, Now now, RecordSink& sink) {
  Job& job = jobs[slot];
  if (job.state == JobState::kDead || job.cancel_requested) return;
  job.cancel_requested = true;
  if (job.state == JobState::kRunning) {
    write_job(queue, slot, sink);
    mark_changed(queue);
    return;
  }
  unlink(queue, slot);
  finish(queue, slot, JobState::kCancelled, {}, now, sink);
}

}  // namespace sluice::broker
