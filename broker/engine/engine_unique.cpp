// Unique keys: of the jobs of a queue that have not ended, one holds a key.
#include "broker/engine/engine_state.h"

namespace sluice::broker {

using api::JobState;

// The job under the key, where a second one is not wanted.
std::optional<Enqueued> Engine::State::find_duplicate(const QueueState& queue,
                                                      const NewJob& job) const {
  if (job.unique_key.empty() || job.replace) return std::nullopt;
  const auto held = queue.unique_keys.find(job.unique_key);
  if (held == queue.unique_keys.end()) return std::nullopt;
  return Enqueued{
      .id = held->second, .state = jobs[jobs.find(held->second)].state, .repeated = true};
}

// The job that waits under the key is cancelled. One that runs goes on, without the key.
std::optional<JobId> Engine::State::make_way(QueueState& queue, const NewJob& job, Now now,
                                             RecordSink& sink) {
  if (job.unique_key.empty() || !job.replace) return std::nullopt;
  const auto held = queue.unique_keys.find(job.unique_key);
  if (held == queue.unique_keys.end()) return std::nullopt;
  const JobId id = held->second;
  const Slot slot = jobs.find(id);
  if (jobs[slot].state == JobState::kRunning) return std::nullopt;
  remember_as_parent(queue, slot, JobState::kCancelled, now);
  cancel(queue, slot, now, sink);
  return id;
}

// The younger of two: the other one runs, or ran when the younger took its place.
void Engine::State::hold_unique_key(QueueState& queue, Job& job) {
  if (!job.extras || job.extras->unique_key.empty()) return;
  const auto [held, is_free] = queue.unique_keys.try_emplace(job.extras->unique_key, job.id);
  if (!is_free && jobs[jobs.find(held->second)].created_at <= job.created_at) {
    held->second = job.id;
  }
}

void Engine::State::free_unique_key(QueueState& queue, const Job& job) {
  if (!job.extras || job.extras->unique_key.empty()) return;
  const auto held = queue.unique_keys.find(job.extras->unique_key);
  if (held != queue.unique_keys.end() && held->second == job.id) queue.unique_keys.erase(held);
}

}  // namespace sluice::broker
