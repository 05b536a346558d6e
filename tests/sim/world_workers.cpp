// Workers: claims that wait or do not, heartbeats, settlements.
#include "tests/sim/broker_world.h"
#include "tests/sim/world_limits.h"

namespace sluice::broker::testing {

using api::JobState;
using api::Outcome;

// Half of the claims wait when there is nothing for them.
void BrokerWorld::claim_something() {
  const std::string worker = "w" + std::to_string(random(4));
  const ClaimRequest request{kQueue, worker, "", 1 + static_cast<int>(random(4))};
  const WaiterId waiter = chance(50) ? ++last_waiter_ : 0;
  if (waiter != 0) polls_[waiter] = waiters_[waiter] = worker;
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const Result<ClaimGrant> grant = engine.claim(request, now, sink);
    EXPECT_TRUE(grant);
    EXPECT_TRUE(drains_[worker].see(grant->drain)) << worker << ": a drain came or went";
    on_granted(*grant, worker);
    after_claim(*grant);
    const bool waits = waiter != 0 && grant->jobs.empty() && !grant->drain;
    if (waits) engine.wait_for_claim(waiter, request);
    return [=, this] {
      if (waits) return;
      const bool is_open = waiter == 0 || polls_.erase(waiter) > 0;
      deliver(*grant, worker, is_open);
    };
  });
}

void BrokerWorld::deliver(const ClaimGrant& grant, const std::string& worker, bool is_open) {
  if (is_open && !chance(5)) {
    on_claimed(grant, worker);
  } else if (!grant.jobs.empty()) {
    undelivered_.push_back(grant);  // the reply could not be written
  }
}

// Of a claim that waits, or is about to be answered: then its jobs go back.
void BrokerWorld::close_a_socket() {
  if (polls_.empty()) return;
  const WaiterId waiter = polls_.begin()->first;
  polls_.erase(waiter);
  submit([waiter](Engine& engine, Now, RecordSink&) -> Reply {
    engine.drop_waiter(waiter);
    return [] {};
  });
}

void BrokerWorld::hand_back(const ClaimGrant& grant) {
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    std::map<JobId, JobView> before;
    for (const Granted& job : grant.jobs) {
      const auto promise = promises_.find(job.id);
      if (promise == promises_.end() || promise->second.claim != grant.claim) continue;
      const auto view = live(job.id);
      if (view && view->state == JobState::kRunning) before.emplace(job.id, *view);
    }
    engine.hand_back(kQueue, grant.claim, now, sink);
    handed_back_ += before.size();
    for (const auto& [id, running] : before) {
      promises_.erase(id);
      const auto view = live(id);
      EXPECT_EQ(view.has_value(), !running.record.cancel_requested);
      if (!view) continue;
      EXPECT_EQ(view->state, JobState::kReady);
      EXPECT_EQ(view->record.order_key, running.record.order_key) << "lost its place";
      EXPECT_EQ(view->record.attempts, running.record.attempts);
      EXPECT_EQ(view->record.lease_losses, running.record.lease_losses);
      EXPECT_EQ(view->record.releases, running.record.releases);
    }
    return [] {};
  });
}

// Whoever held one of these jobs must have lost it by now.
void BrokerWorld::on_granted(const ClaimGrant& grant, const std::string& worker) {
  const Now now = clock_.now();
  EXPECT_TRUE(grant.jobs.empty() || !paused().dispatch);
  for (const Granted& job : grant.jobs) {
    const auto view = live(job.id);
    ASSERT_TRUE(view);
    EXPECT_TRUE(view->record.runs > 0 || !view->extras.expires_at ||
                *view->extras.expires_at > now.wall)
        << "started too late";
    const auto held = promises_.find(job.id);
    EXPECT_TRUE(held == promises_.end() || held->second.lease_until <= now.steady ||
                held->second.times_out_at <= now.steady)
        << "two live leases of " << to_string(job.id);
    const Duration timeout = job.deadline - now.wall;
    promises_[job.id] = {.claim = grant.claim,
                         .worker = worker,
                         .lease_until = now.steady + kLease,
                         .times_out_at = now.steady + timeout + kTimeoutGrace,
                         .deadline = job.deadline};
  }
}

void BrokerWorld::on_claimed(const ClaimGrant& grant, const std::string& worker) {
  if (grant.jobs.empty()) return;
  EXPECT_TRUE(tokens_seen_.insert(grant.claim).second) << "a lease token came twice";
  for (const Granted& job : grant.jobs) {
    EXPECT_FALSE(known_[job.id].settled) << "a settled job was handed out again";
    EXPECT_LE(job.attempt, kMaxAttempts);
    check_parents_of(job);
    check_body_of(job);
    ++known_[job.id].runs_delivered;
    const auto promise = promises_.find(job.id);
    if (promise != promises_.end() && promise->second.claim == grant.claim) {
      promise->second.delivered = true;
    }
    if (chance(15)) continue;  // this worker vanishes with the job
    leases_.push_back({job.id, grant.claim, worker});
  }
}

HeldLease BrokerWorld::take_lease(std::size_t index) {
  const HeldLease lease = leases_[index];
  leases_.erase(leases_.begin() + static_cast<std::ptrdiff_t>(index));
  return lease;
}

void BrokerWorld::heartbeat() {
  if (leases_.empty()) return;
  const HeldLease lease = leases_[random(leases_.size())];
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const ExtendRequest request{kQueue, lease.worker, "", {{lease.job, lease.claim, {}}}, false, 1};
    const Result<ExtendReply> reply = engine.extend(request, now, sink);
    EXPECT_TRUE(reply);
    const auto promise = promises_.find(lease.job);
    if (reply->statuses.at(0) != api::LeaseStatus::kLost && promise != promises_.end()) {
      promise->second.lease_until = now.steady + kLease;
    }
    return [] {};
  });
}

void BrokerWorld::settle_something(bool always_succeed) {
  if (leases_.empty()) return;
  const HeldLease lease = take_lease(random(leases_.size()));
  SettleRequest request{kQueue, lease.job, lease.claim, Outcome::kSucceeded, "1", {}, {}};
  if (!always_succeed && chance(50)) {
    request.outcome = chance(80) ? Outcome::kFailed : Outcome::kReleased;
    request.result_json.clear();
    request.error = api::RunError{"ExitCode", "it broke", 1, {}, false};
  } else if (chance(20)) {
    FollowUp& follow_up = request.follow_ups.emplace_back(FollowUp{kQueue, {}});
    follow_up.job.payload = kPayload;
    follow_up.job.labels[kAfter] = to_string(lease.job);
  }
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const Status status = engine.settle(SettleRequest(request), now, sink);
    if (status) promises_.erase(lease.job);
    const auto job = live(lease.job);
    const std::uint32_t runs_ended = status && job ? job->record.runs : 0;
    return [=, this] {
      if (runs_ended > 0) known_[lease.job].runs_ended = runs_ended;
      if (!status || request.outcome != Outcome::kSucceeded) return;
      known_[lease.job].settled = true;
      known_[lease.job].has_follow_up = !request.follow_ups.empty();
    };
  });
}

}  // namespace sluice::broker::testing
