// Redrives: durable tasks that give dead letters another life, oldest first, capped and paced.
#include <algorithm>

#include "broker/engine/engine_state.h"

namespace sluice::broker {

using api::JobState;

namespace {

constexpr std::size_t kLookedAtMax = 10'000;  // dead letters that one slice passes over

Error no_such_redrive(Uuid id) {
  return {ErrorCode::kNotFound, "there is no redrive " + to_string(id) + " of this queue"};
}

int slice_of(int per_second) {
  return std::clamp(per_second / 10, 1, kRedriveSliceMax);
}

}  // namespace

std::string_view to_string(RedriveState state) {
  switch (state) {
    case RedriveState::kRunning:
      return "Running";
    case RedriveState::kDone:
      return "Done";
    case RedriveState::kCancelled:
      return "Cancelled";
  }
  return "Running";
}

void Engine::State::revive(QueueState& queue, Slot slot, Now now, RecordSink& sink) {
  unlink(queue, slot);
  Job& job = jobs[slot];
  sink.drop_dead(queue.record.number, job.id);
  job.attempts = job.lease_losses = job.releases = job.ignored = 0;
  job.cancel_requested = job.acknowledged = false;
  job.extras->error.reset();
  job.extras->last_settlement.reset();
  job.extras->expires_at.reset();  // a person wants it to run now
  queue.bytes += job.payload_bytes;
  if (queue.unique_keys.contains(job.extras->unique_key)) job.extras->unique_key.clear();
  hold_unique_key(queue, job);
  return_to_group(queue, job, now, sink);
  if (const auto parent = parents.find(job.id); parent != parents.end()) {
    parent->second.end.reset();  // who comes from now on waits for the new life
  }
  const std::optional<JobId> failed_parent = await_parents(job);
  if (failed_parent || job.extras->parents_left > 0) {
    make_blocked(queue, slot, now.wall);
  } else {
    make_ready(queue, slot, now.wall, now);
  }
  write_job(queue, slot, sink);
  if (job.extras->source) note_outcome(queue, job.id, *job.extras->source, job.state);
  if (failed_parent) fail_child(queue, slot, *failed_parent, now, sink);
}

// The next slice of a running task; false when a later one has to go on at once.
bool Engine::State::step_redrive(RedriveRecord& task, QueueState& queue, Now now,
                                 RecordSink& sink) {
  const auto share = static_cast<std::uint32_t>(slice_of(task.per_second));
  const std::uint32_t goal = std::min(task.selected, task.redriven + share);
  std::size_t looked_at = 0;
  bool more = true;
  if (task.filter.ids) {
    std::vector<JobId>& left = *task.filter.ids;
    std::size_t next = 0;
    for (; next < left.size() && task.redriven < goal; ++next) {
      const Slot slot = find_job(queue, left[next]);
      if (slot == kNoSlot || jobs[slot].state != JobState::kDead) continue;
      if (jobs[slot].due_at > task.created_at) continue;  // another life since, and another death
      revive(queue, slot, now, sink);
      ++task.redriven;
    }
    left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(next));
    more = !left.empty();
  } else {
    auto dead = task.cursor ? queue.dead.upper_bound(*task.cursor) : queue.dead.begin();
    while (task.redriven < goal && looked_at < kLookedAtMax) {
      more = dead != queue.dead.end() && dead->first <= task.created_at;
      if (!more) break;
      task.cursor = *dead++;
      ++looked_at;
      const Slot slot = jobs.find(task.cursor->second);
      if (!is_meant(task.filter, slot)) continue;
      revive(queue, slot, now, sink);
      ++task.redriven;
    }
  }
  if (!more || task.redriven == task.selected) {
    task.state = RedriveState::kDone;
    task.finished_at = now.wall;
  }
  sink.put_redrive(task);
  return looked_at < kLookedAtMax;
}

void Engine::State::run_redrive(RedriveKey key, Now now, RecordSink& sink) {
  RedriveRecord& task = redrives.at(key);
  const bool paced = step_redrive(task, *queues[key.first], now, sink);
  if (task.state != RedriveState::kRunning) return;
  const Duration pause = std::chrono::microseconds{std::int64_t{1'000'000} *
                                                   slice_of(task.per_second) / task.per_second};
  redrives_due.insert({paced ? now.steady + pause : now.steady, key});
}

// Makes room for one more task; false when all of them still run.
bool Engine::State::make_redrive_room(const QueueState& queue, RecordSink& sink) {
  const auto first = redrives.lower_bound({queue.index, Uuid{}});
  const auto last = redrives.lower_bound({queue.index + 1, Uuid{}});
  if (static_cast<std::size_t>(std::distance(first, last)) < kRedrivesMax) return true;
  const auto done = std::find_if(
      first, last, [](const auto& entry) { return entry.second.state != RedriveState::kRunning; });
  if (done == last) return false;
  sink.drop_redrive(queue.record.number, done->first.second);
  redrives.erase(done);
  return true;
}

void Engine::State::drop_redrives(const QueueState& queue) {
  redrives.erase(redrives.lower_bound({queue.index, Uuid{}}),
                 redrives.lower_bound({queue.index + 1, Uuid{}}));
  std::erase_if(redrives_due,
                [&queue](const auto& due) { return due.second.first == queue.index; });
}

Status Engine::State::redrive(RedriveRecord record) {
  const QueueState* queue = queue_by_number(record.queue);
  if (queue == nullptr) return Error{ErrorCode::kCorruption, "a redrive of an unknown queue"};
  const RedriveKey key{queue->index, record.id};
  redrives.emplace(key, std::move(record));
  return Ok{};
}

// Once everything is loaded: redriven jobs look at their parents.
void Engine::State::resume_redrives(Now now) {
  for (const auto& [key, task] : redrives) {
    if (task.state == RedriveState::kRunning) redrives_due.insert({now.steady, key});
  }
}

Result<RedriveRecord> Engine::redrive(const QueueName& name, DeadFilter filter, int per_second,
                                      Now now, RecordSink& sink) {
  State& s = *state_;
  Result<QueueState*> found = s.require_queue(name);
  if (!found) return std::move(found).error();
  QueueState& queue = **found;
  if (!s.make_redrive_room(queue, sink)) {
    return Error{ErrorCode::kConflict, std::to_string(kRedrivesMax) +
                                           " redrives of this queue are under way: wait for one, "
                                           "or delete it"};
  }
  const std::vector<Slot> slots = s.select_dead(queue, filter);
  RedriveRecord task;
  task.queue = queue.record.number;
  task.id = s.ids.next(now.wall);
  task.filter = std::move(filter);
  task.per_second = per_second;
  task.selected = static_cast<std::uint32_t>(slots.size());
  task.created_at = now.wall;
  // A clock that was set back must not leave out who was selected.
  if (!slots.empty()) task.created_at = std::max(now.wall, s.jobs[slots.back()].due_at);
  if (task.filter.ids) {
    task.filter.ids->clear();
    for (const Slot slot : slots) task.filter.ids->push_back(s.jobs[slot].id);
  }
  const State::RedriveKey key{queue.index, task.id};
  s.redrives.emplace(key, std::move(task));
  s.run_redrive(key, now, sink);
  return s.redrives.at(key);
}

Result<RedriveRecord> Engine::find_redrive(const QueueName& name, Uuid id) const {
  Result<QueueState*> queue = state_->require_queue(name);
  if (!queue) return std::move(queue).error();
  const auto found = state_->redrives.find({(*queue)->index, id});
  if (found == state_->redrives.end()) return no_such_redrive(id);
  return found->second;
}

Result<RedriveRecord> Engine::cancel_redrive(const QueueName& name, Uuid id, Now now,
                                             RecordSink& sink) {
  State& s = *state_;
  Result<QueueState*> queue = s.require_queue(name);
  if (!queue) return std::move(queue).error();
  const State::RedriveKey key{(*queue)->index, id};
  const auto found = s.redrives.find(key);
  if (found == s.redrives.end()) return no_such_redrive(id);
  RedriveRecord& task = found->second;
  if (task.state != RedriveState::kRunning) return task;
  task.state = RedriveState::kCancelled;
  task.finished_at = now.wall;
  std::erase_if(s.redrives_due, [&key](const auto& due) { return due.second == key; });
  sink.put_redrive(task);
  return task;
}

}  // namespace sluice::broker
