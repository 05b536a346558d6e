// Queues: configuring, letting go, pausing, and what they look like.
#include <algorithm>

#include "broker/engine/engine_state.h"

namespace sluice::broker {

using api::JobState;

namespace {

Error no_such_queue(const QueueName& name) {
  return {ErrorCode::kNotFound,
          "there is no queue " + name.name + " in namespace " + name.namespace_name};
}

bool was_released(const QueueRecord& record, const std::string& uid) {
  return std::find(record.released_uids.begin(), record.released_uids.end(), uid) !=
         record.released_uids.end();
}

// Why this configuration may not replace the held one.
std::optional<Error> refusal(const QueueRecord& held, const ConfigureRequest& request) {
  if (request.uid && was_released(held, *request.uid)) {
    return Error{ErrorCode::kConflict, "the uid let go of this queue before", "uid"};
  }
  if (held.uid.empty()) return std::nullopt;
  if (!request.uid || *request.uid != held.uid) {
    return Error{ErrorCode::kConflict,
                 "the queue belongs to a resource with uid " + held.uid + ": change that instead",
                 "uid"};
  }
  if (request.generation && *request.generation < held.generation) {
    return Error{ErrorCode::kConflict,
                 "generation " + std::to_string(*request.generation) + " is older than the held " +
                     std::to_string(held.generation),
                 "generation"};
  }
  return std::nullopt;
}

}  // namespace

Status Engine::configure(const ConfigureRequest& request, Now now, RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(request.queue);
  const bool is_new = queue == nullptr || queue->is_shell();
  if (is_new) {
    if (Status room = s.check_queue_room(request.queue); !room) return room;
  }
  if (queue == nullptr) {
    QueueRecord record;
    record.number = QueueNumber{s.next_queue_number};
    record.name = request.queue;
    if (Status made = s.queue(std::move(record)); !made) return made;
    queue = s.find_queue(request.queue);
  } else if (auto refused = refusal(queue->record, request)) {
    return std::move(*refused);
  }

  QueueRecord& record = queue->record;
  const api::QueueSpec before = std::exchange(record.spec, request.spec);
  record.retained = false;
  if (request.uid) record.uid = *request.uid;
  if (request.generation) record.generation = *request.generation;
  sink.put_queue(record);

  if (before.due_soon_seconds != request.spec.due_soon_seconds) {
    while (!queue->due_soon.empty()) {
      const Slot slot = queue->due_soon.pop(s.jobs);
      s.jobs[slot].due_soon = false;
      queue->scheduled.push(slot, s.jobs[slot].due_at.time_since_epoch().count(), s.jobs);
    }
  }
  s.evict_dead(*queue, now, sink);
  s.reset_alarm(*queue);
  s.configure_flow(*queue, before, now);
  s.to_serve.insert(queue->index);
  s.mark_changed(*queue, true);
  return Ok{};
}

Status Engine::delete_queue(const DeleteQueueRequest& request, Now, RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(request.queue);
  if (queue == nullptr) return no_such_queue(request.queue);
  QueueRecord& record = queue->record;
  if (request.uid && was_released(record, *request.uid)) return Ok{};  // done before
  if (queue->is_shell()) return no_such_queue(request.queue);
  if (request.uid && *request.uid != record.uid) {
    return Error{ErrorCode::kConflict, "the queue is held by another uid", "uid"};
  }
  if (!request.jobs && queue->holds_jobs()) {
    return Error{ErrorCode::kQueueNotEmpty, "the queue holds jobs: say jobs=retain or jobs=purge",
                 "jobs"};
  }

  if (request.uid) {
    record.released_uids.push_back(*request.uid);
    if (record.released_uids.size() > kReleasedUidsMax) {
      record.released_uids.erase(record.released_uids.begin());
    }
  }
  record.uid.clear();
  record.generation = 0;
  record.retained = true;
  record.pause_override = {};
  if (request.jobs == JobsPolicy::kRetain) {  // finished jobs and keys, too, are the next uid's
    sink.put_queue(record);
    s.to_serve.insert(queue->index);  // waiting workers are told to drain
    s.mark_changed(*queue, true);
    return Ok{};
  }

  QueueRecord shell;
  shell.name = record.name;
  shell.retained = true;
  shell.released_uids = record.released_uids;
  s.drop_queue(*queue, sink);
  if (!shell.released_uids.empty()) {
    shell.number = QueueNumber{s.next_queue_number};
    sink.put_queue(shell);
    return s.queue(std::move(shell));
  }
  return Ok{};
}

void Engine::State::drop_queue(QueueState& queue, RecordSink& sink) {
  std::vector<Slot> slots;
  jobs.for_each([&](Slot slot) {
    if (jobs[slot].queue == queue.index) slots.push_back(slot);
  });
  for (const Slot slot : slots) {
    Job& job = jobs[slot];
    if (job.state == JobState::kRunning) drop_lease(job.position, sink);
    if (job.extras && job.extras->expires_at) expiries.erase({*job.extras->expires_at, job.id});
    leave_parents(job, sink);
    job.state = JobState::kCancelled;
    tell_watchers(job);
    remove_job(slot);
  }
  std::vector<JobId> outcomes;
  for (const auto& [id, source] : sources) {
    if (source.queue == queue.index) outcomes.push_back(id);
  }
  for (const JobId id : outcomes) forget_outcome(id);

  for (const Waiter& waiter : queue.waiters) {
    effects.claims.push_back({waiter.id, no_such_queue(queue.record.name)});
    waiters.erase(waiter.id);
  }
  sink.drop_queue(queue.record.number);
  drop_redrives(queue);
  drop_groups(queue);
  drop_parents(queue);
  alarms.erase({queue.alarm, queue.index});
  flow_alarms.erase({queue.flow_alarm, queue.index});
  to_look_at.erase(queue.index);
  to_serve.erase(queue.index);
  to_signal.erase(queue.index);
  queue_by_name.erase(queue.record.name);
  queues[queue.index].reset();
}

Status Engine::pause(const QueueName& name, std::optional<bool> enqueue,
                     std::optional<bool> dispatch, Now, RecordSink& sink) {
  State& s = *state_;
  Result<QueueState*> found = s.require_queue(name);
  if (!found) return std::move(found).error();
  QueueState& queue = **found;
  if (enqueue) queue.record.pause_override.enqueue = *enqueue;
  if (dispatch) queue.record.pause_override.dispatch = *dispatch;
  sink.put_queue(queue.record);
  s.to_serve.insert(queue.index);
  s.mark_changed(queue, true);
  return Ok{};
}

Status Engine::resume(const QueueName& name, Now now, RecordSink& sink) {
  return pause(name, false, false, now, sink);
}

Result<QueueView> Engine::queue(const QueueName& name, Now now) {
  QueueState* queue = state_->find_queue(name);
  if (queue == nullptr || queue->is_shell()) return no_such_queue(name);
  return state_->view_of(*queue, now);
}

std::vector<QueueView> Engine::queues(Now now) {
  std::vector<QueueView> views;
  for (const auto& [name, queue] : state_->queue_by_name) {
    if (!queue->is_shell()) views.push_back(state_->view_of(*queue, now));
  }
  return views;
}

QueueView Engine::State::view_of(const QueueState& queue, Now now) const {
  QueueView view;
  view.name = queue.record.name;
  view.number = queue.record.number;
  view.spec = queue.record.spec;
  view.uid = queue.record.uid;
  view.generation = queue.record.generation;
  view.retained = queue.record.retained;
  view.paused = {queue.enqueue_paused(), queue.dispatch_paused()};
  view.pause_override = queue.record.pause_override;
  view.figures = figures_of(queue, now);
  view.totals = queue.totals;
  view.workers = workers_of(queue);
  return view;
}

api::QueueFigures Engine::State::figures_of(const QueueState& queue, Now now) const {
  const auto count = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  api::QueueFigures f;
  f.ready = count(queue.ready_count());
  f.blocked = count(queue.blocked);
  f.backlog = f.ready + f.blocked + count(queue.backing_off);
  f.dispatchable = dispatchable(queue, now);
  f.scheduled = count(queue.scheduled_count());
  f.due_soon = count(queue.due_soon.size());
  f.running = queue.running;
  f.dead = count(queue.dead.size());
  f.oldest_ready_time = oldest_ready(queue);
  f.bytes = queue.bytes;
  f.pressure = queue.pressure;
  f.enqueued_per_second = queue.enqueued.per_second(now.steady);
  f.ready_per_second = queue.became_ready.per_second(now.steady);
  f.started_per_second = queue.started.per_second(now.steady);
  f.succeeded_per_second = queue.succeeded.per_second(now.steady);
  f.failed_per_second = queue.failed.per_second(now.steady);
  f.mean_slot_seconds = queue.runs.mean_seconds(now.steady);
  f.finished_recently = queue.runs.count(now.steady);
  f.running_elapsed_seconds = to_seconds(
      Duration{now.steady.time_since_epoch().count() * queue.running - queue.running_started_sum});
  // Little's law: what waits, over the rate at which it is started.
  if (f.started_per_second > 0) {
    f.wait_estimate_seconds = static_cast<double>(f.ready) / f.started_per_second;
  }
  f.paused_enqueue = queue.enqueue_paused();
  f.paused_dispatch = queue.dispatch_paused();
  f.circuit = queue.circuit.state();
  if (queue.is_throttled && queue.throttle.is_slowing(now.steady)) {
    f.throttled_per_second = queue.throttle.per_second(now.steady);
  }
  return f;
}

std::vector<api::WorkerFigures> Engine::State::workers_of(const QueueState& queue) const {
  std::vector<api::WorkerFigures> workers;
  for (const auto& [name, worker] : queue.workers) {
    workers.push_back({worker.name, worker.instance, worker.running, worker.drain_requested,
                       worker.draining, worker.holding, worker.seen_at.wall});
  }
  return workers;
}

}  // namespace sluice::broker
