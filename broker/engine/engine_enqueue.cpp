// Enqueueing: repeats, schedule ticks, and where a new job waits first.
#include "broker/engine/engine_state.h"
#include "common/base/check.h"

namespace sluice::broker {

using api::JobState;

namespace {

Error idempotency_conflict(JobId id) {
  return {ErrorCode::kIdempotency,
          "the idempotency key was used for job " + to_string(id) + " with other content",
          "idempotencyKey"};
}

bool needs_extras(const NewJob& job) {
  return !job.labels.empty() || !job.tenant.empty() || !job.key.empty() || job.retry ||
         job.timeout_seconds || job.ttl_seconds_after_finished || job.expires_at || job.source ||
         job.schedule || job.id || !job.depends_on.empty() || job.callback || job.group ||
         !job.unique_key.empty();
}

}  // namespace

// Under the key, given id or tick of a job that is known already; absent when it is new.
std::optional<Result<Enqueued>> Engine::State::find_repeat(const QueueState& queue,
                                                           const NewJob& job,
                                                           const Lookup& lookup) const {
  const auto repeat = [&](JobId id, std::optional<JobState> otherwise) {
    Enqueued known{.id = id, .state = otherwise, .repeated = true};
    if (const Slot slot = jobs.find(id); slot != kNoSlot) {
      known.state = jobs[slot].state;
    } else if (const auto ended = recent_ends.find(id); ended != recent_ends.end()) {
      known.state = ended->second.state;
    }
    return Result<Enqueued>(known);
  };

  if (job.schedule) {
    const auto schedule = queue.schedules.find(job.schedule->uid);
    if (schedule != queue.schedules.end() && job.schedule->tick <= schedule->second.last_tick) {
      return repeat_tick(schedule->second, job.schedule->tick);
    }
  }
  if (job.id) {
    if (const Slot slot = jobs.find(*job.id); slot != kNoSlot) {
      if (jobs[slot].queue == queue.index) return repeat(*job.id, JobState::kReady);
      return Error{ErrorCode::kConflict, "the id belongs to a job of another queue", "id"};
    }
    if (recent_ends.contains(*job.id)) return repeat(*job.id, std::nullopt);
    if (lookup.by_id) return repeat(*job.id, lookup.by_id->state);
  }
  if (job.idempotency) {
    const auto recent = recent_keys.find({queue.index, job.idempotency->key});
    if (recent != recent_keys.end()) {
      if (recent->second.content != job.idempotency->content) {
        return idempotency_conflict(recent->second.id);
      }
      return repeat(recent->second.id, lookup.by_key ? lookup.by_key->state : std::nullopt);
    }
    if (lookup.by_key) {
      if (lookup.by_key->content != job.idempotency->content) {
        return idempotency_conflict(lookup.by_key->id);
      }
      return repeat(lookup.by_key->id, lookup.by_key->state);
    }
  }
  return std::nullopt;
}

// What a tick that is not new is answered: its job while that is known.
Enqueued Engine::State::repeat_tick(const ScheduleState& schedule, TimePoint tick) const {
  for (const JobId id : schedule.active) {
    const Job& job = jobs[jobs.find(id)];
    if (job.extras->schedule_tick == tick) return {.id = id, .state = job.state, .repeated = true};
  }
  const bool is_last = tick == schedule.last_tick && schedule.last_job != JobId{};
  if (!is_last) return {.state = {}, .repeated = true, .skipped = true};
  const auto ended = recent_ends.find(schedule.last_job);
  return {.id = schedule.last_job,
          .state = ended == recent_ends.end() ? std::nullopt : ended->second.state,
          .repeated = true};
}

// Whether the tick's job is to be made; Replace cancels the ones before it.
bool Engine::State::admit_tick(QueueState& queue, const ScheduleTick& tick, Now now,
                               RecordSink& sink) {
  ScheduleState& schedule = queue.schedules[tick.uid];
  schedule.last_tick = tick.tick;
  schedule.last_job = {};
  sink.put_schedule({queue.record.number, tick.uid, tick.tick});
  if (schedule.active.empty()) return true;
  if (tick.policy == api::ConcurrencyPolicy::kForbid) return false;
  if (tick.policy == api::ConcurrencyPolicy::kReplace) {
    const std::set<JobId> before = schedule.active;
    for (const JobId id : before) cancel(queue, jobs.find(id), now, sink);
  }
  return true;
}

Result<Enqueued> Engine::enqueue(const QueueName& name, NewJob&& job, const Lookup& lookup, Now now,
                                 RecordSink& sink) {
  State& s = *state_;
  Result<QueueState*> found = s.require_queue(name);
  if (!found) return std::move(found).error();
  QueueState& queue = **found;
  if (auto repeat = s.find_repeat(queue, job, lookup)) return std::move(*repeat);
  if (const auto held = s.find_duplicate(queue, job)) return *held;
  if (queue.enqueue_paused()) {
    return Error{ErrorCode::kQueuePaused, "enqueueing into " + name.name + " is paused"};
  }
  if (queue.pressure == api::Pressure::kReject) {
    return Error{ErrorCode::kQueueFull,
                 name.name + " is full: " +
                     describe_rejection(*queue.spec().backpressure, s.load_of(queue, now))};
  }
  if (static_cast<std::int64_t>(job.payload.size()) > queue.spec().payload.max_bytes) {
    return Error{ErrorCode::kTooLarge,
                 "the payload has " + std::to_string(job.payload.size()) + " bytes, " + name.name +
                     " takes " + std::to_string(queue.spec().payload.max_bytes),
                 "payload"};
  }
  if (const Status room = s.check_room(queue, job); !room) return room.error();
  if (const Status checked = s.check_parents(name, job, lookup); !checked) {
    if (checked.error().code == ErrorCode::kUnavailable) return Enqueued{.stale = true};
    return checked.error();
  }
  if (job.schedule && !s.admit_tick(queue, *job.schedule, now, sink)) {
    return Enqueued{.skipped = true};
  }
  const auto replaced = s.make_way(queue, job, now, sink);
  const JobId id = s.insert_new(queue, std::move(job), lookup, now, sink);
  const Slot slot = s.jobs.find(id);
  return Enqueued{.id = id,
                  .state = slot == kNoSlot ? JobState::kDead : s.jobs[slot].state,
                  .replaced = replaced};
}

// A job that its parents' ends kill at once may already be gone again.
JobId Engine::State::insert_new(QueueState& queue, NewJob&& request, const Lookup& lookup, Now now,
                                RecordSink& sink) {
  const Slot slot = add_job(queue, request.id ? *request.id : ids.next(now.wall),
                            static_cast<std::uint32_t>(request.payload.size()));
  Job& job = jobs[slot];
  job.priority = static_cast<unsigned>(request.priority) % kPriorities;
  job.created_at = now.wall;
  if (request.idempotency) {
    job.key =
        std::make_unique<JobKey>(JobKey{request.idempotency->key, request.idempotency->content});
  }
  if (needs_extras(request)) {
    JobExtras& extras = job.make_extras();
    extras.labels = std::move(request.labels);
    extras.tenant = std::move(request.tenant);
    extras.key = std::move(request.key);
    extras.retry = std::move(request.retry);
    extras.timeout_seconds = request.timeout_seconds;
    extras.ttl_seconds_after_finished = request.ttl_seconds_after_finished;
    extras.expires_at = request.expires_at;
    extras.source = std::move(request.source);
    extras.external_id = request.id.has_value();
    extras.depends_on = std::move(request.depends_on);
    extras.on_parent_failure = request.on_parent_failure;
    extras.callback = std::move(request.callback);
    extras.unique_key = std::move(request.unique_key);
    extras.group = request.group;
    if (request.schedule) {
      extras.schedule_uid = request.schedule->uid;
      extras.schedule_tick = request.schedule->tick;
    }
  }

  hold_unique_key(queue, job);
  join_group(queue, job);
  queue.enqueued.add(1, now.steady);
  ++queue.totals.enqueued;
  queue.bytes += job.payload_bytes;
  const TimePoint due_at = request.run_at  ? *request.run_at
                           : request.delay ? now.wall + *request.delay
                                           : now.wall;
  bool is_blocked = false;
  if (request.schedule) {
    ScheduleState& schedule = queue.schedules[request.schedule->uid];
    is_blocked =
        request.schedule->policy == api::ConcurrencyPolicy::kEnqueue && !schedule.active.empty();
    schedule.active.insert(job.id);
    schedule.last_job = job.id;
    if (is_blocked) schedule.blocked[request.schedule->tick] = job.id;
  }
  std::optional<JobId> failed_parent;
  if (job.extras && !job.extras->depends_on.empty()) {
    failed_parent = join_parents(slot, lookup, sink);
    is_blocked = is_blocked || failed_parent || job.extras->parents_left > 0;
  }
  if (is_blocked) {
    make_blocked(queue, slot, due_at);
  } else if (due_at > now.wall) {
    make_scheduled(queue, slot, due_at, false);
  } else {
    make_ready(queue, slot, now.wall, now);
  }

  sink.put_body(queue.record.number, job.id, request.traceparent, request.payload);
  write_job(queue, slot, sink);
  if (job.key) write_key(queue, job, std::nullopt, sink);
  if (job.extras && job.extras->source) {
    jobs_by_source.emplace(job.extras->source->uid, job.id);
    note_outcome(queue, job.id, *job.extras->source, job.state);
  }
  const JobId id = job.id;
  if (failed_parent) fail_child(queue, slot, *failed_parent, now, sink);
  return id;
}

Result<QueueNumber> Engine::queue_number(const QueueName& name) const {
  const QueueState* queue = state_->find_queue(name);
  if (queue == nullptr || queue->is_shell()) return state_->no_such_queue(name);
  return queue->record.number;
}

Result<api::PayloadLimits> Engine::payload_limits(const QueueName& name) const {
  Result<QueueState*> queue = state_->require_queue(name);
  if (!queue) return std::move(queue).error();
  return (*queue)->spec().payload;
}

void Engine::set_open_batch(BatchNumber batch) {
  state_->open_batch = batch;
}

void Engine::forget_recent(BatchNumber batch) {
  State& s = *state_;
  while (!s.recent_key_order.empty() && s.recent_key_order.front().first <= batch) {
    const auto& [written, name] = s.recent_key_order.front();
    const auto found = s.recent_keys.find(name);
    if (found != s.recent_keys.end() && found->second.batch <= batch) s.recent_keys.erase(found);
    s.recent_key_order.pop_front();
  }
  while (!s.recent_end_order.empty() && s.recent_end_order.front().first <= batch) {
    const auto found = s.recent_ends.find(s.recent_end_order.front().second);
    if (found != s.recent_ends.end() && found->second.batch <= batch) s.recent_ends.erase(found);
    s.recent_end_order.pop_front();
  }
}

}  // namespace sluice::broker
