// Jobs with a resource behind them: schedules, the outcomes feed; and workers as the operator sees
// them.
#include <algorithm>
#include <charconv>

#include "broker/engine/engine_state.h"
#include "common/base/check.h"

namespace sluice::broker {

using api::JobState;

// A schedule's job has ended: the oldest one that waited for it (policy Enqueue) becomes Ready.
void Engine::State::leave_schedule(QueueState& queue, Slot slot, Now now, RecordSink& sink) {
  const Job& job = jobs[slot];
  if (!job.extras || job.extras->schedule_uid.empty()) return;
  ScheduleState& schedule = queue.schedules[job.extras->schedule_uid];
  schedule.active.erase(job.id);
  if (job.extras->schedule_tick) {
    const auto blocked = schedule.blocked.find(*job.extras->schedule_tick);
    if (blocked != schedule.blocked.end() && blocked->second == job.id) {
      schedule.blocked.erase(blocked);
    }
  }
  if (schedule.blocked.empty() || schedule.active.size() > schedule.blocked.size()) return;

  const Slot next = jobs.find(schedule.blocked.begin()->second);
  schedule.blocked.erase(schedule.blocked.begin());
  unlink(queue, next);
  make_ready(queue, next, now.wall, now);
  write_job(queue, next, sink);
}

void Engine::State::note_outcome(QueueState& queue, JobId id, const JobSource& source,
                                 JobState state) {
  SourceState& entry = sources[id];
  outcome_order.erase(entry.sequence);
  entry.sequence = ++last_sequence;
  entry.queue = queue.index;
  entry.source = source;
  entry.state = state;
  outcome_order[entry.sequence] = id;
  effects.outcomes_changed = true;
}

void Engine::State::forget_outcome(JobId id) {
  const auto found = sources.find(id);
  if (found == sources.end()) return;
  outcome_order.erase(found->second.sequence);
  sources.erase(found);
}

void Engine::State::note_end(Slot slot) {
  const Job& job = jobs[slot];
  tell_watchers(job);
  if (job.key || (job.extras && job.extras->external_id)) {
    recent_ends[job.id] = {open_batch, job.state};
    recent_end_order.push_back({open_batch, job.id});
  }
}

void Engine::State::tell_watchers(const Job& job) {
  if (!watched.empty() && watched.contains(job.id)) effects.ended.push_back(job.id);
  if (job.state == JobState::kDead || !job.extras || !job.extras->source) return;
  const auto [first, last] = jobs_by_source.equal_range(job.extras->source->uid);
  for (auto at = first; at != last; ++at) {
    if (at->second != job.id) continue;
    jobs_by_source.erase(at);
    return;
  }
}

void Engine::State::tell_listeners(const QueueState& queue, const Job& job, Now now) {
  if (listened_to.empty() || !listened_to.contains(queue.record.name)) return;
  const bool died = job.state == JobState::kDead;
  effects.ends.push_back({queue.record.name, job.id, job.state, now.wall,
                          died ? job.extras->error->reason : std::string()});
}

void Engine::listen_to_ends(const QueueName& queue) {
  ++state_->listened_to[queue];
}

void Engine::stop_listening_to_ends(const QueueName& queue) {
  const auto found = state_->listened_to.find(queue);
  if (found != state_->listened_to.end() && --found->second == 0) {
    state_->listened_to.erase(found);
  }
}

OutcomePage Engine::outcomes(const std::string& cursor, std::size_t limit, Now) const {
  const State& s = *state_;
  std::uint64_t after = 0;
  const std::string prefix = std::to_string(s.boot) + "-";
  if (cursor.starts_with(prefix)) {
    std::from_chars(cursor.data() + prefix.size(), cursor.data() + cursor.size(), after);
  }

  OutcomePage page;
  auto at = s.outcome_order.upper_bound(after);
  for (; at != s.outcome_order.end() && page.entries.size() < limit; ++at) {
    const SourceState& source = s.sources.at(at->second);
    const QueueState& queue = *s.queues[source.queue];
    OutcomeEntry entry;
    entry.queue = queue.record.number;
    entry.queue_name = queue.record.name;
    entry.id = at->second;
    entry.source = source.source;
    entry.state = source.state;
    if (const Slot slot = s.jobs.find(entry.id); slot != kNoSlot) {
      entry.live = s.view_of(queue, slot);
    }
    after = at->first;
    page.entries.push_back(std::move(entry));
  }
  page.cursor = prefix + std::to_string(after);
  return page;
}

void Engine::acknowledge(const QueueName& name, std::span<const JobId> ids, Now, RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(name);
  if (queue == nullptr) return;
  for (const JobId id : ids) {
    const auto found = s.sources.find(id);
    if (found == s.sources.end() || found->second.queue != queue->index ||
        !api::has_ended(found->second.state)) {
      continue;
    }
    if (const Slot slot = s.jobs.find(id); slot != kNoSlot) {
      s.jobs[slot].acknowledged = true;
      s.write_job(*queue, slot, sink);
      s.reset_alarm(*queue);
    } else if (!s.parents.contains(id)) {  // otherwise its last child lets it go
      sink.drop_outcome(queue->record.number, id);
    }
    s.forget_outcome(id);
  }
}

std::vector<JobId> Engine::jobs_of_source(const QueueName& name,
                                          const std::string& source_uid) const {
  const QueueState* queue = state_->find_queue(name);
  if (queue == nullptr) return {};
  std::vector<JobId> ids;
  const auto [first, last] = state_->jobs_by_source.equal_range(source_uid);
  for (auto at = first; at != last; ++at) {
    if (state_->find_job(*queue, at->second) != kNoSlot) ids.push_back(at->second);
  }
  // Ended, and nobody has acknowledged it yet.
  for (const auto& [id, source] : state_->sources) {
    if (source.queue == queue->index && source.source.uid == source_uid &&
        state_->jobs.find(id) == kNoSlot) {
      ids.push_back(id);
    }
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Result<ScheduleView> Engine::schedule(const QueueName& name, const std::string& uid) const {
  Result<QueueState*> queue = state_->require_queue(name);
  if (!queue) return std::move(queue).error();
  ScheduleView view;
  const auto found = (*queue)->schedules.find(uid);
  if (found == (*queue)->schedules.end()) return view;
  view.last_tick = found->second.last_tick;
  view.running.assign(found->second.active.begin(), found->second.active.end());
  return view;
}

Status Engine::drain_worker(const QueueName& name, const std::string& worker_name,
                            const std::optional<std::string>& instance, bool drain, Now,
                            RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(name);
  if (queue == nullptr) return s.require_queue(name).error();
  const auto seen = queue->last_instance.find(worker_name);
  if (!instance && seen == queue->last_instance.end()) {
    return Error{ErrorCode::kNotFound, "no worker named " + worker_name + " was seen"};
  }
  const QueueRecord::Drain wanted{worker_name, instance ? *instance : seen->second};

  auto& drains = queue->record.drains;
  const bool held = std::find(drains.begin(), drains.end(), wanted) != drains.end();
  if (held == drain) return Ok{};
  if (drain) {
    drains.push_back(wanted);
  } else {
    std::erase(drains, wanted);
  }
  sink.put_queue(queue->record);
  const auto worker = queue->workers.find({wanted.worker, wanted.instance});
  if (worker != queue->workers.end()) {
    worker->second.drain_requested = drain;
    if (drain) s.release_waiters(*queue, worker->second);
  }
  s.mark_changed(*queue, true);
  return Ok{};
}

Status Engine::worker_gone(const QueueName& name, const std::string& worker_name,
                           const std::optional<std::string>& instance, GoneCause cause, Now now,
                           RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(name);
  if (queue == nullptr) return s.require_queue(name).error();
  const auto seen = queue->last_instance.find(worker_name);
  if (!instance && seen == queue->last_instance.end()) {
    return Error{ErrorCode::kNotFound, "no worker named " + worker_name + " was seen"};
  }
  const QueueRecord::Drain who{worker_name, instance ? *instance : seen->second};
  const auto worker = queue->workers.find({who.worker, who.instance});

  if (worker != queue->workers.end() && worker->second.running > 0) {
    for (const Slot slot : s.leases.slots(worker->second.leases, &LeaseState::of_worker)) {
      const bool disrupted = cause == GoneCause::kDisruption;
      RunResult run{disrupted ? RunEnd::kDisrupted : RunEnd::kLeaseLost, {}};
      run.error.reason = disrupted ? "Disrupted" : "LeaseLost";
      run.error.message = cause == GoneCause::kCrash ? "the worker crashed" : "the worker is gone";
      s.end_lease(*queue, slot, std::move(run), now, sink);
      if (disrupted) {
        s.hand_back(*queue, slot, now, sink);
      } else {
        s.after_lease_loss(*queue, slot, now, sink);
      }
    }
  }
  if (std::erase(queue->record.drains, who) > 0) sink.put_queue(queue->record);
  if (worker != queue->workers.end() && worker->second.waiting == 0) queue->workers.erase(worker);
  if (seen != queue->last_instance.end() && seen->second == who.instance) {
    queue->last_instance.erase(seen);
  }
  s.mark_changed(*queue, true);
  return Ok{};
}

}  // namespace sluice::broker
