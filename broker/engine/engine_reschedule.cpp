// Run now, or at another time.
#include "broker/engine/engine_state.h"

namespace sluice::broker {

using api::JobState;

namespace {

// Why a job in this state has no due date to change.
Error no_due_date(JobState state) {
  switch (state) {
    case JobState::kRunning:
      return {ErrorCode::kConflict, "the job is running"};
    case JobState::kBlocked:
      return {ErrorCode::kConflict, "the job waits for another one to end"};
    default:
      return {ErrorCode::kConflict, "the job is dead: redrive it"};
  }
}

}  // namespace

Result<JobView> Engine::reschedule(const QueueName& name, JobId id, TimePoint due_at, Now now,
                                   RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(name);
  const Slot slot = queue == nullptr ? kNoSlot : s.find_job(*queue, id);
  if (slot == kNoSlot) {
    return Error{ErrorCode::kNotFound, "there is no job " + to_string(id) + " in this queue"};
  }
  const JobState state = s.jobs[slot].state;
  if (state != JobState::kScheduled && state != JobState::kReady) return no_due_date(state);
  // A ready job keeps its place.
  if (state == JobState::kReady && due_at <= now.wall) return s.view_of(*queue, slot);

  s.unlink(*queue, slot);
  if (due_at > now.wall) {
    s.make_scheduled(*queue, slot, due_at, false);
  } else {
    s.make_ready(*queue, slot, now.wall, now);
  }
  s.write_job(*queue, slot, sink);
  return s.view_of(*queue, slot);
}

}  // namespace sluice::broker
