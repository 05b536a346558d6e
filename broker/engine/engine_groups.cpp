// Groups of jobs, and the message when all of one have ended.
#include <algorithm>

#include "broker/engine/engine_state.h"
#include "common/api/callback_event.h"

namespace sluice::broker {

using api::JobState;

namespace {

std::uint32_t& count_of(GroupRecord& group, JobState end) {
  if (end == JobState::kSucceeded) return group.succeeded;
  return end == JobState::kDead ? group.dead : group.cancelled;
}

}  // namespace

Result<Uuid> Engine::begin_group(const QueueName& name, const NewGroup& wanted, Now now) {
  State& s = *state_;
  Result<QueueState*> found = s.require_queue(name);
  if (!found) return std::move(found).error();
  const Uuid id = wanted.id ? *wanted.id : s.ids.next(now.wall);
  const State::GroupKey key{(*found)->index, id};
  if (const auto held = s.groups.find(key); held != s.groups.end()) {
    held->second.open = wanted.open && !held->second.finished_at;
    s.open_group = key;
    return id;
  }
  if ((*found)->unfinished_groups >= kGroupsMax) {
    return Error{ErrorCode::kQueueFull, name.name + " has " + std::to_string(kGroupsMax) +
                                            " groups that are not finished"};
  }
  GroupRecord group;
  group.queue = (*found)->record.number;
  group.id = id;
  group.created_at = now.wall;
  group.callback = wanted.callback;
  group.open = wanted.open;
  s.groups.emplace(key, std::move(group));
  ++(*found)->unfinished_groups;
  s.open_group = key;
  return id;
}

std::optional<Uuid> Engine::seal_group(const QueueName& name, Uuid id, Now now, RecordSink& sink) {
  State& s = *state_;
  s.open_group.reset();
  QueueState* queue = s.find_queue(name);
  if (queue == nullptr) return std::nullopt;
  const auto found = s.groups.find({queue->index, id});
  if (found == s.groups.end()) return std::nullopt;
  GroupRecord& group = found->second;
  if (group.total == 0) {  // nothing of it was taken, nor written
    s.groups.erase(found);
    --queue->unfinished_groups;
    return std::nullopt;
  }
  s.keep_group(*queue, group, now, sink);
  return id;
}

Result<GroupRecord> Engine::find_group(const QueueName& name, Uuid id) const {
  const QueueState* queue = state_->find_queue(name);
  if (queue == nullptr || queue->is_shell()) return state_->no_such_queue(name);
  const auto found = state_->groups.find({queue->index, id});
  if (found == state_->groups.end()) {
    return Error{ErrorCode::kNotFound, "there is no group " + to_string(id) + " of this queue"};
  }
  return found->second;
}

void Engine::State::join_group(QueueState& queue, Job& job) {
  if (!job.extras || !job.extras->group) return;
  const auto found = groups.find({queue.index, *job.extras->group});
  if (found == groups.end() || found->second.finished_at) {
    job.extras->group.reset();
  } else {
    ++found->second.total;
  }
}

// Writes it, and ends it when none of its jobs is left.
void Engine::State::keep_group(QueueState& queue, GroupRecord& group, Now now, RecordSink& sink) {
  const GroupKey key{queue.index, group.id};
  if (open_group == key) return;  // its jobs are still coming
  if (group.pending() == 0 && !group.open && !group.finished_at) {
    group.finished_at = now.wall;
    if (group.callback) tell_group(queue, group, now, sink);
    queue.finished_groups.push_back(group.id);
    --queue.unfinished_groups;
  }
  sink.put_group(group);
  while (queue.finished_groups.size() > kFinishedGroupsMax) {
    const Uuid oldest = queue.finished_groups.front();
    queue.finished_groups.pop_front();
    groups.erase({queue.index, oldest});
    sink.drop_group(queue.record.number, oldest);
  }
}

void Engine::State::leave_group(QueueState& queue, const Job& job, JobState end, Now now,
                                RecordSink& sink) {
  if (!job.extras || !job.extras->group) return;
  const auto found = groups.find({queue.index, *job.extras->group});
  if (found == groups.end() || found->second.finished_at) return;
  ++count_of(found->second, end);
  keep_group(queue, found->second, now, sink);
}

// A dead letter lives again before the group has ended.
void Engine::State::return_to_group(QueueState& queue, const Job& job, Now now, RecordSink& sink) {
  if (!job.extras || !job.extras->group) return;
  const auto found = groups.find({queue.index, *job.extras->group});
  if (found == groups.end() || found->second.finished_at) return;
  --found->second.dead;
  keep_group(queue, found->second, now, sink);
}

void Engine::State::tell_group(const QueueState& queue, const GroupRecord& group, Now now,
                               RecordSink& sink) {
  const QueueName& name = queue.record.name;
  NewJob delivery;
  delivery.payload = api::encode(api::GroupEvent{.id = to_string(group.id),
                                                 .namespace_name = name.namespace_name,
                                                 .queue = name.name,
                                                 .total = group.total,
                                                 .succeeded = group.succeeded,
                                                 .dead = group.dead,
                                                 .cancelled = group.cancelled,
                                                 .created_at = group.created_at,
                                                 .finished_at = now.wall});
  delivery.callback = group.callback;
  delivery.labels = {{"sluice.dev/group", to_string(group.id)}, {"sluice.dev/queue", name.name}};
  deliver_later(name.namespace_name, std::move(delivery), now, sink);
}

Status Engine::State::group(GroupRecord record) {
  QueueState* queue = queue_by_number(record.queue);
  if (queue == nullptr) return Error{ErrorCode::kCorruption, "a group of an unknown queue"};
  groups.emplace(GroupKey{queue->index, record.id}, std::move(record));
  return Ok{};
}

// Once all were handed over: finished ones in the order they did.
void Engine::State::order_groups() {
  std::vector<std::pair<TimePoint, GroupKey>> finished;
  for (const auto& [key, group] : groups) {
    if (group.finished_at) {
      finished.push_back({*group.finished_at, key});
    } else {
      ++queues[key.first]->unfinished_groups;
    }
  }
  std::sort(finished.begin(), finished.end());
  for (const auto& [at, key] : finished) queues[key.first]->finished_groups.push_back(key.second);
}

void Engine::State::drop_groups(const QueueState& queue) {
  const auto first = groups.lower_bound({queue.index, Uuid{}});
  auto last = first;
  while (last != groups.end() && last->first.first == queue.index) ++last;
  groups.erase(first, last);
}

}  // namespace sluice::broker
