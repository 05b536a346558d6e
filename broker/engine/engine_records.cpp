// From the engine's memory to records, and back at start.
#include "broker/engine/engine_state.h"
#include "common/base/check.h"

namespace sluice::broker {

using api::JobState;

namespace {

// Puts the idempotency key into the extras for as long as a record borrows them.
class ExtrasWithKey {
 public:
  explicit ExtrasWithKey(const Job& job) : extras_(job.extras.get()) {
    if (!job.key) return;
    if (extras_ == nullptr) extras_ = &own_;
    extras_->idempotency_key = job.key->key;
    extras_->idempotency_content = job.key->content;
  }
  ~ExtrasWithKey() {
    if (extras_ == nullptr) return;
    extras_->idempotency_key.reset();
    extras_->idempotency_content.reset();
  }
  ExtrasWithKey(const ExtrasWithKey&) = delete;
  ExtrasWithKey& operator=(const ExtrasWithKey&) = delete;

  const JobExtras* get() const { return extras_; }

 private:
  JobExtras own_;
  JobExtras* extras_;
};

}  // namespace

JobRecord Engine::State::record_of(const QueueState& queue, const Job& job) const {
  JobRecord record;
  record.queue = queue.record.number;
  record.id = job.id;
  record.state = job.state == JobState::kRunning ? JobState::kReady : job.state;
  record.priority = static_cast<int>(job.priority);
  record.attempts = job.attempts;
  record.lease_losses = job.lease_losses;
  record.releases = job.releases;
  record.ignored = job.ignored;
  record.runs = job.runs;
  record.backing_off = job.backing_off;
  record.cancel_requested = job.cancel_requested;
  record.acknowledged = job.acknowledged;
  record.payload_bytes = job.payload_bytes;
  record.created_at = job.created_at;
  record.due_at = job.due_at;
  record.order_key = job.order_key;
  if (job.state == JobState::kDead) record.finished_at = job.due_at;
  record.extras = job.extras.get();
  return record;
}

void Engine::State::write_job(const QueueState& queue, Slot slot, RecordSink& sink) {
  const Job& job = jobs[slot];
  const ExtrasWithKey extras(job);
  JobRecord record = record_of(queue, job);
  record.extras = extras.get();
  if (job.state == JobState::kDead) {
    sink.put_dead(record);
  } else {
    sink.put_job(record);
  }
}

void Engine::State::write_key(const QueueState& queue, const Job& job,
                              std::optional<TimePoint> expires_at, RecordSink& sink) {
  sink.put_key({queue.record.number, job.key->key, job.key->content, job.id, expires_at});
  const std::pair name{queue.index, job.key->key};
  recent_keys[name] = {open_batch, job.id, job.key->content};
  recent_key_order.push_back({open_batch, name});
}

JobView Engine::State::view_of(const QueueState& queue, Slot slot) const {
  const Job& job = jobs[slot];
  JobView view;
  view.record = record_of(queue, job);
  view.record.extras = nullptr;
  view.state = job.state;
  if (job.extras) {
    view.extras = *job.extras;
    view.worker = job.extras->worker;
    view.started_at = job.extras->started_at;
  }
  if (job.state == JobState::kRunning) {
    const LeaseState& lease = leases.all[job.position];
    view.worker = lease.worker->name;
    view.started_at = lease.started_at;
    if (lease.progress) view.progress = *lease.progress;
  }
  return view;
}

Status Engine::State::queue(QueueRecord record) {
  if (queue_by_name.contains(record.name)) {
    return Error{ErrorCode::kCorruption,
                 "two records of queue " + record.name.namespace_name + "/" + record.name.name};
  }
  auto state = std::make_unique<QueueState>();
  state->index = static_cast<std::uint32_t>(queues.size());
  state->record = std::move(record);
  if (is_callback_queue(state->record.name)) state->record.spec = callback_queue_spec();
  state->usage = &namespace_usage[state->record.name.namespace_name];
  state->lines.set_limit(limit_per_key(state->record.spec));
  next_queue_number =
      std::max(next_queue_number, static_cast<std::uint32_t>(state->record.number) + 1);
  queue_by_name[state->record.name] = state.get();
  queues.push_back(std::move(state));
  return Ok{};
}

Status Engine::State::schedule(ScheduleRecord record) {
  QueueState* queue = queue_by_number(record.queue);
  if (queue == nullptr) return Error{ErrorCode::kCorruption, "a schedule of an unknown queue"};
  queue->schedules[record.uid].last_tick = record.last_tick;
  return Ok{};
}

Status Engine::State::job(const JobRecord& record, std::unique_ptr<JobExtras> extras) {
  QueueState* queue = queue_by_number(record.queue);
  if (queue == nullptr) {
    return Error{ErrorCode::kCorruption, "job " + to_string(record.id) + " of an unknown queue"};
  }
  if (jobs.find(record.id) != kNoSlot) {
    return Error{ErrorCode::kCorruption, "two records of job " + to_string(record.id)};
  }
  const Slot slot = add_job(*queue, record.id, record.payload_bytes);
  Job& job = jobs[slot];
  job.priority = static_cast<unsigned>(record.priority) % kPriorities;
  job.attempts = static_cast<std::uint16_t>(record.attempts);
  job.lease_losses = static_cast<std::uint16_t>(record.lease_losses);
  job.releases = static_cast<std::uint16_t>(record.releases);
  job.ignored = static_cast<std::uint16_t>(record.ignored);
  job.runs = record.runs;
  job.cancel_requested = record.cancel_requested;
  job.acknowledged = record.acknowledged;
  job.created_at = record.created_at;
  job.due_at = record.due_at;
  job.order_key = record.order_key;
  if (extras && extras->idempotency_key && extras->idempotency_content) {
    job.key =
        std::make_unique<JobKey>(JobKey{*extras->idempotency_key, *extras->idempotency_content});
    extras->idempotency_key.reset();
    extras->idempotency_content.reset();
    if (extras->is_plain()) extras.reset();
  }
  job.extras = std::move(extras);
  if (job.extras && !job.extras->depends_on.empty()) loaded_children.push_back(slot);

  if (job.has_key()) {
    job.in_line = record.state == JobState::kReady ||
                  (record.state == JobState::kScheduled && record.backing_off);
    queue->last_key_position = std::max(queue->last_key_position, job.extras->key_position);
  }

  // Rates begin at zero after a start, so the moves that count are not used here.
  job.state = record.state;
  if (record.state == JobState::kDead) {
    job.due_at = record.finished_at.value_or(record.due_at);
    job.make_extras();
    queue->dead.insert({job.due_at, job.id});
  } else {
    queue->bytes += job.payload_bytes;
    hold_unique_key(*queue, job);
    load_waiting(*queue, slot, record.backing_off);
  }
  if (job.extras && job.extras->source) {
    jobs_by_source.emplace(job.extras->source->uid, job.id);
    if (!job.acknowledged) note_outcome(*queue, job.id, *job.extras->source, job.state);
  }
  return Ok{};
}

void Engine::State::load_waiting(QueueState& queue, Slot slot, bool backing_off) {
  Job& job = jobs[slot];
  switch (job.state) {
    case JobState::kScheduled:
      make_scheduled(queue, slot, job.due_at, backing_off);
      break;
    case JobState::kBlocked:
      ++queue.blocked;
      watch_expiry(job);
      break;
    default:
      job.state = JobState::kReady;
      enter_ready(queue, slot);
      watch_expiry(job);
  }
  if (job.extras && !job.extras->schedule_uid.empty()) {
    ScheduleState& schedule = queue.schedules[job.extras->schedule_uid];
    schedule.active.insert(job.id);
    if (job.state == JobState::kBlocked && job.extras->schedule_tick) {
      schedule.blocked[*job.extras->schedule_tick] = job.id;
    }
  }
}

Status Engine::State::outcome(const FinishedRecord& record, std::unique_ptr<JobExtras> extras) {
  QueueState* queue = queue_by_number(record.queue);
  if (queue == nullptr) {
    return Error{ErrorCode::kCorruption,
                 "the outcome of job " + to_string(record.id) + " has no queue"};
  }
  loaded_ends[record.id] = {queue->index, record.state};
  if (extras && extras->source) {
    note_outcome(*queue, record.id, *extras->source, record.state);
  }
  return Ok{};
}

Status Engine::State::claim(ClaimRecord record) {
  loaded_claims.push_back(std::move(record));
  return Ok{};
}

QueueState* Engine::State::queue_by_number(QueueNumber number) const {
  // Only at start, where consecutive records mostly belong to one queue.
  if (last_loaded != nullptr && last_loaded->record.number == number) return last_loaded;
  for (const auto& queue : queues) {
    if (queue && queue->record.number == number) return last_loaded = queue.get();
  }
  return nullptr;
}

RecordVisitor& Engine::loader() {
  return *state_;
}

Status Engine::finish_load(Now now, RecordSink& sink) {
  State& s = *state_;
  for (ClaimRecord& claim : s.loaded_claims) {
    QueueState* queue = s.queue_by_number(claim.queue);
    for (const ClaimRecord::Entry& entry : claim.jobs) {
      if (queue == nullptr) break;
      const Slot slot = s.find_job(*queue, entry.id);
      // Settled, lost or released since: its record has moved on.
      if (slot == kNoSlot || s.jobs[slot].runs + 1 != entry.run) continue;
      const JobState recorded = s.jobs[slot].state;
      if (recorded != JobState::kReady && recorded != JobState::kScheduled) continue;
      if (recorded == JobState::kScheduled) {
        // It was due when it was claimed, and nothing is written when a job becomes due.
        s.unlink(*queue, slot);
        s.make_ready(*queue, slot, s.jobs[slot].due_at, now);
      }
      WorkerState& worker = s.touch_worker(*queue, claim.worker, claim.instance, now);
      s.start(*queue, slot, claim.number, worker, now);
      LeaseState& lease = *s.lease_of(slot);
      // The lease gets its full time again, the handler's deadline does not move.
      const int grace_seconds = std::min(queue->spec().lease_seconds, 5);
      const Duration left = std::max(entry.deadline - now.wall, Duration::zero());
      queue->running_started_sum +=
          (claim.claimed_at - now.wall).count();  // as if started then, on the steady scale
      lease.started_at = claim.claimed_at;
      lease.started_steady = now.steady + (claim.claimed_at - now.wall);
      lease.deadline = entry.deadline;
      lease.times_out_at = now.steady + left + std::chrono::seconds{grace_seconds};
      s.lease_ends.change_key(s.jobs[slot].position, lease.key(), s.leases);
    }
    if (!s.claims.contains(static_cast<std::uint64_t>(claim.number))) sink.drop_claim(claim.number);
  }
  s.loaded_claims.clear();
  s.loaded_claims.shrink_to_fit();
  s.last_loaded = nullptr;
  s.link_loaded_children(sink);
  s.resume_redrives(now);
  s.order_groups();
  for (const auto& queue : s.queues) {
    // What was started before is not known any more.
    if (const auto& rate = queue->spec().rate_limit) {
      queue->rate_limit.emplace(*rate, TokenBucket::Level::kEmpty, now.steady);
    }
    s.reset_alarm(*queue);
    s.look_at_flow(*queue, now);
    if (is_callback_queue(queue->record.name)) s.mark_changed(*queue);
  }
  return Ok{};
}

}  // namespace sluice::broker
