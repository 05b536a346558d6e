// How runs end, and what people ask of single jobs.
#include <algorithm>
#include <limits>

#include "broker/engine/engine_state.h"

namespace sluice::broker {

using api::JobState;

namespace {

Error no_such_job(JobId id) {
  return {ErrorCode::kNotFound, "there is no job " + to_string(id) + " in this queue"};
}

bool matches(const DeadFilter& filter, const Job& job) {
  const auto& error = job.extras->error;
  if (!filter.reason.empty() && (!error || error->reason != filter.reason)) return false;
  if (!filter.tenant.empty() && job.extras->tenant != filter.tenant) return false;
  if (!filter.key.empty() && job.extras->key != filter.key) return false;
  if (filter.died_before && job.due_at >= *filter.died_before) return false;
  return !filter.died_after || job.due_at > *filter.died_after;
}

}  // namespace

// What must hold before anything is done: a settlement happens whole or not at all.
Status Engine::State::check_follow_ups(const SettleRequest& request) const {
  for (std::size_t i = 0; i < request.follow_ups.size(); ++i) {
    const FollowUp& follow_up = request.follow_ups[i];
    const std::string path = "enqueue[" + std::to_string(i) + "]";
    const Result<QueueState*> queue = require_queue(follow_up.queue);
    if (!queue) {
      return Error{ErrorCode::kInvalidArgument, path + ".queue: " + queue.error().message,
                   path + ".queue"};
    }
    const std::int64_t bytes_max = (*queue)->spec().payload.max_bytes;
    if (static_cast<std::int64_t>(follow_up.job.payload.size()) > bytes_max) {
      return Error{ErrorCode::kTooLarge,
                   path + ".payload: has " + std::to_string(follow_up.job.payload.size()) +
                       " bytes; the queue takes " + std::to_string(bytes_max),
                   path + ".payload"};
    }
  }
  return Ok{};
}

Status Engine::settle(SettleRequest&& request, Now now, RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(request.queue);
  const Slot slot = queue == nullptr ? kNoSlot : s.find_job(*queue, request.id);
  if (slot == kNoSlot) return no_such_job(request.id);
  Job& job = s.jobs[slot];
  const LeaseState* lease = s.lease_of(slot);
  if (lease == nullptr || lease->claim != request.claim) {
    const bool repeated =
        lease == nullptr && request.claim && job.extras &&
        job.extras->last_settlement == LastSettlement{*request.claim, request.outcome};
    if (repeated) return Ok{};
    return Error{ErrorCode::kConflict,
                 "the lease is stale: job " + to_string(request.id) + " may run elsewhere"};
  }
  if (static_cast<std::int64_t>(request.result_json.size()) >
      queue->spec().payload.max_result_bytes) {
    return Error{ErrorCode::kTooLarge,
                 "the result has " + std::to_string(request.result_json.size()) + " bytes, " +
                     request.queue.name + " takes " +
                     std::to_string(queue->spec().payload.max_result_bytes),
                 "result"};
  }

  if (Status possible = s.check_follow_ups(request); !possible) return possible;

  if (queue->spec().result_ttl_seconds > 0 || request.outcome != api::Outcome::kSucceeded) {
    job.make_extras().last_settlement = LastSettlement{*request.claim, request.outcome};
  }
  RunResult run;
  if (request.error) run.error = *request.error;
  switch (request.outcome) {
    case api::Outcome::kSucceeded:
      run.end = RunEnd::kSucceeded;
      s.end_lease(*queue, slot, std::move(run), now, sink);
      queue->succeeded.add(1, now.steady);
      if (job.extras) job.extras->error.reset();
      s.finish(*queue, slot, JobState::kSucceeded, request.result_json, now, sink);
      for (FollowUp& follow_up : request.follow_ups) {
        s.insert_new(**s.require_queue(follow_up.queue), std::move(follow_up.job), {}, now, sink);
      }
      break;
    case api::Outcome::kReleased:
      run.end = RunEnd::kReleased;
      s.end_lease(*queue, slot, std::move(run), now, sink);
      if (job.releases < std::numeric_limits<std::uint16_t>::max()) ++job.releases;
      s.hand_back(*queue, slot, now, sink);
      break;
    case api::Outcome::kFailed: {
      if (run.error.reason.empty()) run.error.reason = "Failed";
      run.end = run.error.reason == "Timeout" ? RunEnd::kTimeout : RunEnd::kFailed;
      run.retry_after_seconds = request.retry_after_seconds;
      const api::RunError error = run.error;
      s.end_lease(*queue, slot, std::move(run), now, sink);
      s.after_failure(*queue, slot, error, request.retry_after_seconds, now, sink);
      break;
    }
  }
  return Ok{};
}

std::optional<JobView> Engine::find(const QueueName& name, JobId id, Now) const {
  const QueueState* queue = state_->find_queue(name);
  const Slot slot = queue == nullptr ? kNoSlot : state_->find_job(*queue, id);
  if (slot == kNoSlot) return std::nullopt;
  return state_->view_of(*queue, slot);
}

std::vector<JobView> Engine::list_running(const QueueName& name, std::optional<JobId> after,
                                          std::size_t limit, Now) const {
  const QueueState* queue = state_->find_queue(name);
  if (queue == nullptr) return {};
  std::vector<Slot> slots;
  for (const auto& [name_and_instance, worker] : queue->workers) {
    for (const Slot slot : state_->leases.slots(worker.leases, &LeaseState::of_worker)) {
      if (!after || state_->jobs[slot].id > *after) slots.push_back(slot);
    }
  }
  const auto end = slots.begin() + static_cast<std::ptrdiff_t>(std::min(limit, slots.size()));
  std::partial_sort(slots.begin(), end, slots.end(),
                    [&](Slot a, Slot b) { return state_->jobs.before(a, b); });
  slots.erase(end, slots.end());

  std::vector<JobView> views;
  for (const Slot slot : slots) views.push_back(state_->view_of(*queue, slot));
  return views;
}

Result<JobView> Engine::cancel(const QueueName& name, JobId id, Now now, RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(name);
  const Slot slot = queue == nullptr ? kNoSlot : s.find_job(*queue, id);
  if (slot == kNoSlot) return no_such_job(id);
  JobView view = s.view_of(*queue, slot);
  if (view.state == JobState::kDead) return view;
  s.cancel(*queue, slot, now, sink);
  view.record.cancel_requested = true;
  if (view.state != JobState::kRunning) {
    view.state = view.record.state = JobState::kCancelled;
    view.record.finished_at = now.wall;
  }
  return view;
}

Result<std::size_t> Engine::purge_dead(const QueueName& name, const DeadFilter& filter, Now now,
                                       RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(name);
  if (queue == nullptr || queue->is_shell()) {
    return Error{ErrorCode::kNotFound,
                 "there is no queue " + name.name + " in namespace " + name.namespace_name};
  }
  const std::vector<Slot> slots = s.select_dead(*queue, filter);
  for (const Slot slot : slots) s.remove_dead(*queue, slot, now, sink);
  return slots.size();
}

bool Engine::State::is_meant(const DeadFilter& filter, Slot dead) const {
  return matches(filter, jobs[dead]);
}

std::vector<Slot> Engine::State::select_dead(const QueueState& queue,
                                             const DeadFilter& filter) const {
  std::vector<Slot> slots;
  if (filter.ids) {
    for (const JobId id : *filter.ids) {
      const Slot slot = find_job(queue, id);
      if (slot != kNoSlot && jobs[slot].state == JobState::kDead) slots.push_back(slot);
    }
    std::sort(slots.begin(), slots.end(), [&](Slot a, Slot b) {
      return std::pair{jobs[a].due_at, jobs[a].id} < std::pair{jobs[b].due_at, jobs[b].id};
    });
    slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
    return slots;
  }
  for (const auto& [died_at, id] : queue.dead) {
    if (slots.size() >= filter.max) break;
    const Slot slot = jobs.find(id);
    if (matches(filter, jobs[slot])) slots.push_back(slot);
  }
  return slots;
}

void Engine::watch(JobId id) {
  ++state_->watched[id];
}

void Engine::unwatch(JobId id) {
  const auto found = state_->watched.find(id);
  if (found != state_->watched.end() && --found->second == 0) state_->watched.erase(found);
}

}  // namespace sluice::broker
