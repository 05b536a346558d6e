// Dependencies: who waits for whom, and what becomes of the children when a parent ends.
#include <algorithm>

#include "broker/engine/engine_state.h"
#include "common/base/check.h"

namespace sluice::broker {

using api::JobState;

namespace {

// At most so many children of one ended parent are released in the step that ended it.
constexpr std::size_t kReleasedAtOnce = 64;

bool dies_with(const JobExtras& child, JobState end) {
  return end != JobState::kSucceeded && child.on_parent_failure == api::ParentFailure::kDead;
}

bool has_parents(const Job& job) {
  return job.extras && !job.extras->depends_on.empty();
}

Error missing_parent(const NewJob& job, std::size_t index) {
  return {ErrorCode::kNotFound,
          "there is no job " + to_string(job.depends_on[index]) + " in this namespace",
          "dependsOn[" + std::to_string(index) + "]"};
}

}  // namespace

std::vector<JobId> Engine::unknown_parents(const QueueName& child,
                                           std::span<const JobId> ids) const {
  std::vector<JobId> unknown;
  for (const JobId id : ids) {
    if (!state_->knows_parent(child, id)) unknown.push_back(id);
  }
  return unknown;
}

// Living or dead, or ended and kept for other children; in the same namespace.
bool Engine::State::knows_parent(const QueueName& child, JobId id) const {
  std::uint32_t queue = 0;
  if (const Slot slot = jobs.find(id); slot != kNoSlot) {
    queue = jobs[slot].queue;
  } else if (const auto held = parents.find(id); held != parents.end() && held->second.kept) {
    queue = held->second.queue;
  } else {
    return false;
  }
  return queues[queue]->record.name.namespace_name == child.namespace_name;
}

// Why the job cannot be taken; kUnavailable: a parent has left memory since the lookup.
Status Engine::State::check_parents(const QueueName& child, const NewJob& job,
                                    const Lookup& lookup) const {
  for (std::size_t i = 0; i < job.depends_on.size(); ++i) {
    const JobId id = job.depends_on[i];
    if (knows_parent(child, id) || just_left.contains(id)) continue;
    if (!lookup.parents) return Error{ErrorCode::kUnavailable, "the parents were not looked up"};
    const auto looked_up = lookup.parents->find(id);
    if (looked_up == lookup.parents->end()) {
      return Error{ErrorCode::kUnavailable, "the parent has just ended"};
    }
    if (!looked_up->second) return missing_parent(job, i);
    const QueueState* queue = find_queue(looked_up->second->queue);
    if (queue == nullptr || queue->record.number != looked_up->second->record.queue) {
      return missing_parent(job, i);
    }
  }
  return Ok{};
}

bool Engine::is_stale(const QueueName& queue, const NewJob& job, const Lookup& lookup) const {
  const Status checked = state_->check_parents(queue, job, lookup);
  return !checked && checked.error().code == ErrorCode::kUnavailable;
}

ParentState& Engine::State::hold_parent(JobId id, const Lookup& lookup, RecordSink& sink) {
  const auto [at, is_new] = parents.try_emplace(id);
  ParentState& parent = at->second;
  if (!is_new) return parent;
  if (const Slot slot = jobs.find(id); slot != kNoSlot) {
    parent.queue = jobs[slot].queue;
    if (jobs[slot].state == JobState::kDead) parent.end = JobState::kDead;
  } else {
    const auto left = just_left.find(id);
    const EndedParent& ended = left != just_left.end() ? *left->second : *lookup.parents->at(id);
    parent.queue = find_queue(ended.queue)->index;
    parent.end = ended.record.state;
    parent.kept = true;
    sink.put_outcome(ended.record);
  }
  parent.number = queues[parent.queue]->record.number;
  return parent;
}

// The new job waits for those of its parents that have not ended; the first whose end it does not
// survive.
std::optional<JobId> Engine::State::join_parents(Slot slot, const Lookup& lookup,
                                                 RecordSink& sink) {
  Job& job = jobs[slot];
  for (const JobId id : job.extras->depends_on) ++hold_parent(id, lookup, sink).children;
  return await_parents(job);
}

// Requires: the job is a child of all its parents already.
std::optional<JobId> Engine::State::await_parents(Job& job) {
  std::optional<JobId> failed;
  for (const JobId id : job.extras->depends_on) {
    ParentState& parent = parents.at(id);
    if (!parent.end) {
      parent.waiting.insert(job.id);
      ++job.extras->parents_left;
    } else if (!failed && dies_with(*job.extras, *parent.end)) {
      failed = id;
    }
  }
  return failed;
}

void Engine::State::stop_waiting(Job& job) {
  if (!job.extras || job.extras->parents_left == 0) return;
  for (const JobId id : job.extras->depends_on) parents.at(id).waiting.erase(job.id);
  job.extras->parents_left = 0;
}

void Engine::State::make_blocked(QueueState& queue, Slot slot, TimePoint due_at) {
  Job& job = jobs[slot];
  job.state = JobState::kBlocked;
  job.due_at = due_at;
  ++queue.blocked;
  watch_expiry(job);
  mark_changed(queue);
}

// A waiting job whose parent ended otherwise than it needs.
void Engine::State::fail_child(QueueState& queue, Slot slot, JobId parent, Now now,
                               RecordSink& sink) {
  api::RunError error;
  error.reason = "ParentFailed";
  error.message =
      "parent " + to_string(parent) + " is " + std::string(api::to_string(*parents.at(parent).end));
  unlink(queue, slot);
  die(queue, slot, std::move(error), now, sink);
}

// No parent is left to wait for: its own time counts.
void Engine::State::unblock(QueueState& queue, Slot slot, Now now, RecordSink& sink) {
  unlink(queue, slot);
  const TimePoint due_at = jobs[slot].due_at;
  if (due_at > now.wall) {
    make_scheduled(queue, slot, due_at, false);
  } else {
    make_ready(queue, slot, now.wall, now);
  }
  write_job(queue, slot, sink);
}

// `kept`: an outcome record of it was written.
void Engine::State::end_parent(JobId id, JobState end, bool kept) {
  const auto found = parents.find(id);
  if (found == parents.end()) return;
  ParentState& parent = found->second;
  parent.end = end;
  parent.kept = kept;
  if (!parent.waiting.empty()) to_release.push_back(id);
}

void Engine::State::remember_as_parent(const QueueState& queue, Slot slot, JobState end, Now now) {
  auto ended = std::make_shared<EndedParent>();
  ended->queue = queue.record.name;
  ended->extras = std::make_unique<JobExtras>(*jobs[slot].extras);
  ended->record = finished_record(queue, jobs[slot], end, now.wall, now);
  ended->record.extras = ended->extras.get();
  just_left[jobs[slot].id] = std::move(ended);
}

// A child leaves memory; the last one lets its parents' records go.
void Engine::State::leave_parents(const Job& job, RecordSink& sink) {
  if (!has_parents(job)) return;
  for (const JobId id : job.extras->depends_on) {
    const auto found = parents.find(id);
    ParentState& parent = found->second;
    parent.waiting.erase(job.id);
    if (--parent.children > 0) continue;
    // Its resource has still to read how it ended.
    if (parent.kept && !sources.contains(id)) sink.drop_outcome(parent.number, id);
    parents.erase(found);
  }
}

// Children of parents that have ended, one a step; whether any is left.
bool Engine::State::release_children(Now now, std::size_t& steps, std::size_t steps_max,
                                     RecordSink& sink) {
  while (!to_release.empty()) {
    const JobId id = to_release.front();
    const auto found = parents.find(id);
    if (found == parents.end() || !found->second.end || found->second.waiting.empty()) {
      to_release.pop_front();
      continue;
    }
    if (steps >= steps_max) return true;
    ++steps;
    ParentState& parent = found->second;
    const Slot slot = jobs.find(*parent.waiting.begin());
    parent.waiting.erase(parent.waiting.begin());
    CHECK(slot != kNoSlot);
    Job& child = jobs[slot];
    QueueState& queue = *queues[child.queue];
    --child.extras->parents_left;
    if (dies_with(*child.extras, *parent.end)) {
      fail_child(queue, slot, id, now, sink);
    } else if (child.extras->parents_left == 0) {
      unblock(queue, slot, now, sink);
    }
  }
  return false;
}

void Engine::State::release_some(Now now, RecordSink& sink) {
  std::size_t steps = 0;
  release_children(now, steps, kReleasedAtOnce, sink);
}

// After all records were handed over: a waiting child waits for each of its parents, and those that
// have ended release theirs as if they just had.
void Engine::State::link_loaded_children(RecordSink& sink) {
  for (const Slot slot : loaded_children) {
    Job& job = jobs[slot];
    job.extras->parents_left = 0;
    for (const JobId id : job.extras->depends_on) {
      const auto [at, is_new] = parents.try_emplace(id);
      ParentState& parent = at->second;
      if (is_new) load_parent(id, parent);
      ++parent.children;
      if (job.state != JobState::kBlocked) continue;
      if (parent.end && parent.waiting.empty()) to_release.push_back(id);
      parent.waiting.insert(job.id);
      ++job.extras->parents_left;
    }
  }
  for (const auto& [id, ended] : loaded_ends) {
    if (parents.contains(id) || sources.contains(id)) continue;
    sink.drop_outcome(queues[ended.queue]->record.number, id);
  }
  loaded_children = {};
  loaded_ends.clear();
}

void Engine::State::load_parent(JobId id, ParentState& parent) {
  const Slot slot = jobs.find(id);
  const auto ended = loaded_ends.find(id);
  if (slot != kNoSlot) {
    parent.queue = jobs[slot].queue;
    if (jobs[slot].state == JobState::kDead) parent.end = JobState::kDead;
  } else if (ended != loaded_ends.end()) {
    parent.queue = ended->second.queue;
    parent.end = ended->second.state;
    parent.kept = true;
  } else {
    parent.end = JobState::kCancelled;  // it went with its queue
    return;
  }
  parent.number = queues[parent.queue]->record.number;
}

// The queue is dropped with everything in it: for children elsewhere that is an end.
void Engine::State::drop_parents(const QueueState& queue) {
  for (auto& [id, parent] : parents) {
    if (parent.queue != queue.index) continue;
    parent.kept = false;
    if (parent.end) continue;
    parent.end = JobState::kCancelled;
    if (!parent.waiting.empty()) to_release.push_back(id);
  }
}

std::vector<GrantedParent> Engine::State::parents_of(const Job& job) const {
  std::vector<GrantedParent> granted;
  if (!has_parents(job)) return granted;
  granted.reserve(job.extras->depends_on.size());
  for (const JobId id : job.extras->depends_on) {
    const ParentState& parent = parents.at(id);
    granted.push_back({id, parent.kept ? std::optional{parent.number} : std::nullopt});
  }
  return granted;
}

}  // namespace sluice::broker
