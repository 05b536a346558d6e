// Claims, waiting claims, heartbeats.
#include <algorithm>

#include "broker/engine/engine_state.h"
#include "common/base/check.h"

namespace sluice::broker {

using api::JobState;

namespace {

bool takes_no_more(const QueueState& queue, const WorkerState& worker) {
  return worker.drain_requested || queue.record.retained;
}

}  // namespace

WorkerState& Engine::State::touch_worker(QueueState& queue, const std::string& name,
                                         const std::string& instance, Now now) {
  const auto found = queue.workers.find({name, instance});
  if (found != queue.workers.end()) {
    found->second.seen_at = now;
    return found->second;
  }

  std::erase_if(queue.workers, [&](const auto& entry) {
    const WorkerState& worker = entry.second;
    return worker.running == 0 && worker.waiting == 0 &&
           worker.seen_at.steady + kWorkerForgottenAfter < now.steady;
  });
  WorkerState& worker = queue.workers[{name, instance}];
  worker.name = name;
  worker.instance = instance;
  worker.seen_at = now;
  const auto& drains = queue.record.drains;
  worker.drain_requested =
      std::find(drains.begin(), drains.end(), QueueRecord::Drain{name, instance}) != drains.end();
  queue.last_instance[name] = instance;
  mark_changed(queue);
  return worker;
}

ClaimGrant Engine::State::grant(QueueState& queue, WorkerState& worker, int max, Now now,
                                RecordSink& sink) {
  ClaimGrant grant;
  grant.queue = queue.record.number;
  grant.lease_seconds = queue.spec().lease_seconds;
  if (takes_no_more(queue, worker)) {
    grant.drain = true;
    return grant;
  }

  ClaimRecord record;
  const std::int64_t most = std::min<std::int64_t>(max, start_limit(queue, now, Duration::zero()));
  while (static_cast<std::int64_t>(grant.jobs.size()) < most) {
    const Slot slot = queue.order.next(jobs);
    if (slot == kNoSlot) break;
    if (expire(queue, slot, now, sink)) continue;
    queue.order.spend_turn(queue.spec().fairness_weights);
    note_start(queue, now);
    if (grant.jobs.empty()) {
      grant.claim = ClaimNumber{(std::uint64_t{boot} << 40) | ++claims_made};
    }
    start(queue, slot, grant.claim, worker, now);
    ++queue.totals.started;
    const Job& job = jobs[slot];
    const LeaseState& lease = leases.all[job.position];
    const auto timeout =
        std::chrono::duration_cast<std::chrono::seconds>(lease.deadline - now.wall);
    grant.jobs.push_back({job.id, job.attempts + 1, static_cast<int>(timeout.count()),
                          lease.deadline, parents_of(job)});
    record.jobs.push_back({job.id, job.runs + 1, lease.deadline});
  }
  if (!record.jobs.empty()) {
    record.number = grant.claim;
    record.queue = queue.record.number;
    record.worker = worker.name;
    record.instance = worker.instance;
    record.claimed_at = now.wall;
    sink.put_claim(record);
  }
  return grant;
}

Result<ClaimGrant> Engine::claim(const ClaimRequest& request, Now now, RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(request.queue);
  if (queue == nullptr || queue->is_shell()) {
    return Error{ErrorCode::kNotFound, "there is no queue " + request.queue.name +
                                           " in namespace " + request.queue.namespace_name};
  }
  WorkerState& worker = s.touch_worker(*queue, request.worker, request.instance, now);
  return s.grant(*queue, worker, request.max, now, sink);
}

void Engine::wait_for_claim(WaiterId id, const ClaimRequest& request) {
  State& s = *state_;
  QueueState* queue = s.find_queue(request.queue);
  CHECK(queue != nullptr);  // claim() has just answered for it
  queue->waiters.push_back({id, request});
  s.waiters[id] = {queue->index, std::prev(queue->waiters.end())};
  WorkerState& worker = queue->workers[{request.worker, request.instance}];
  ++worker.waiting;
  s.mark_changed(*queue, worker.running == 0);
}

void Engine::drop_waiter(WaiterId id) {
  State& s = *state_;
  const auto found = s.waiters.find(id);
  if (found == s.waiters.end()) return;
  QueueState& queue = *s.queues[found->second.first];
  const Waiter& waiter = *found->second.second;
  const auto worker = queue.workers.find({waiter.request.worker, waiter.request.instance});
  if (worker != queue.workers.end()) --worker->second.waiting;
  queue.waiters.erase(found->second.second);
  s.waiters.erase(found);
}

void Engine::State::serve_waiters(QueueState& queue, Now now, RecordSink& sink) {
  while (!queue.waiters.empty() && (queue.record.retained || may_start(queue, now))) {
    const Waiter& waiter = queue.waiters.front();
    const auto found = queue.workers.find({waiter.request.worker, waiter.request.instance});
    CHECK(found != queue.workers.end());  // a waiting worker is not forgotten
    WorkerState& worker = found->second;
    effects.claims.push_back({waiter.id, grant(queue, worker, waiter.request.max, now, sink)});
    --worker.waiting;
    waiters.erase(waiter.id);
    queue.waiters.pop_front();
  }
}

// A worker that stops waits for its claims' answers, lest it lose jobs granted meanwhile.
void Engine::State::release_waiters(QueueState& queue, WorkerState& worker) {
  for (auto waiter = queue.waiters.begin(); worker.waiting > 0 && waiter != queue.waiters.end();) {
    if (waiter->request.worker != worker.name || waiter->request.instance != worker.instance) {
      ++waiter;
      continue;
    }
    ClaimGrant none;
    none.queue = queue.record.number;
    none.lease_seconds = queue.spec().lease_seconds;
    none.drain = takes_no_more(queue, worker);
    effects.claims.push_back({waiter->id, std::move(none)});
    --worker.waiting;
    waiters.erase(waiter->id);
    waiter = queue.waiters.erase(waiter);
  }
}

void Engine::hand_back(const QueueName& name, ClaimNumber claim, Now now, RecordSink& sink) {
  State& s = *state_;
  QueueState* queue = s.find_queue(name);
  const auto held = s.claims.find(static_cast<std::uint64_t>(claim));
  if (queue == nullptr || held == s.claims.end()) return;
  for (const Slot slot : s.leases.slots(held->second, &LeaseState::of_claim)) {
    s.end_lease(*queue, slot, std::nullopt, now, sink);
    if (s.jobs[slot].cancel_requested) {
      s.finish(*queue, slot, JobState::kCancelled, {}, now, sink);
    } else {
      s.put_back(*queue, slot, now);
    }
  }
}

Result<ExtendReply> Engine::extend(const ExtendRequest& request, Now now, RecordSink&) {
  State& s = *state_;
  QueueState* queue = s.find_queue(request.queue);
  if (queue == nullptr || queue->is_shell()) {
    return Error{ErrorCode::kNotFound, "there is no queue " + request.queue.name +
                                           " in namespace " + request.queue.namespace_name};
  }
  WorkerState& worker = s.touch_worker(*queue, request.worker, request.instance, now);
  if (worker.draining != request.draining || worker.holding != request.holding) {
    worker.draining = request.draining;
    worker.holding = request.holding;
    s.mark_changed(*queue, request.draining && request.holding == 0);
  }
  if (request.draining) s.release_waiters(*queue, worker);

  ExtendReply reply;
  reply.drain = takes_no_more(*queue, worker);
  for (const ExtendRequest::Lease& asked : request.leases) {
    const Slot slot = s.find_job(*queue, asked.id);
    LeaseState* lease = slot == kNoSlot ? nullptr : s.lease_of(slot);
    if (lease == nullptr || lease->claim != asked.claim) {
      reply.statuses.push_back(api::LeaseStatus::kLost);
      continue;
    }
    lease->expires_at = now.steady + std::chrono::seconds{queue->spec().lease_seconds};
    s.lease_ends.change_key(s.jobs[slot].position, lease->key(), s.leases);
    if (asked.progress) {
      if (!lease->progress) lease->progress = std::make_unique<api::Progress>();
      lease->progress->ratio = asked.progress->ratio.value_or(lease->progress->ratio);
      lease->progress->message = asked.progress->message;
    }
    reply.statuses.push_back(s.jobs[slot].cancel_requested ? api::LeaseStatus::kCancelled
                                                           : api::LeaseStatus::kOk);
  }
  return reply;
}

}  // namespace sluice::broker
