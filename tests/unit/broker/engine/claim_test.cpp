#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

using ClaimTest = EngineTest;

TEST_F(ClaimTest, HandsOutEachJobOnce) {
  for (int i = 0; i < 3; ++i) enqueue();

  EXPECT_EQ(claim("a", 2).jobs.size(), 2u);
  EXPECT_EQ(claim("b", 2).jobs.size(), 1u);
  EXPECT_EQ(claim("c", 2).jobs.size(), 0u);
  EXPECT_EQ(figures().running, 3);
}

TEST_F(ClaimTest, AWaitingClaimIsAnsweredWhenAJobComes) {
  ASSERT_TRUE(claim().jobs.empty());
  engine_->wait_for_claim(7, request());
  EXPECT_TRUE(effects().claims.empty());

  const JobId id = enqueue();

  const Effects woken = effects();
  ASSERT_EQ(woken.claims.size(), 1u);
  EXPECT_EQ(woken.claims[0].waiter, 7u);
  EXPECT_EQ(woken.claims[0].grant->jobs.at(0).id, id);
  EXPECT_TRUE(effects().claims.empty()) << "answered once";
}

TEST_F(ClaimTest, ADroppedWaiterGetsNothing) {
  claim();
  engine_->wait_for_claim(7, request());
  engine_->drop_waiter(7);

  enqueue();

  EXPECT_TRUE(effects().claims.empty());
  EXPECT_EQ(figures().ready, 1);
}

TEST_F(ClaimTest, AnUndeliveredReplyCountsNothing) {
  const JobId first = enqueue();
  enqueue();
  const ClaimGrant grant = claim();

  engine_->hand_back(kMail, grant.claim, now(), book_);

  EXPECT_EQ(state(first), JobState::kReady);
  EXPECT_EQ(view(first).record.releases, 0u);
  EXPECT_EQ(claimed().front(), first) << "in its old place";
  EXPECT_FALSE(book_.claims.contains(grant.claim));
}

TEST_F(ClaimTest, AnUndeliveredReplyGivesBackThatClaimsJobsOnly) {
  for (int i = 0; i < 6; ++i) enqueue();
  const ClaimGrant first = claim("w", 2);
  const ClaimGrant second = claim("w", 3);
  const ClaimGrant third = claim("v", 1);
  ASSERT_TRUE(settle(second.jobs[1].id, second.claim, Outcome::kSucceeded));

  engine_->hand_back(kMail, second.claim, now(), book_);

  EXPECT_EQ(figures().ready, 2);
  EXPECT_EQ(figures().running, 3);
  for (const ClaimGrant* held : {&first, &third}) {
    for (const Granted& job : held->jobs) EXPECT_EQ(state(job.id), JobState::kRunning);
  }
  engine_->hand_back(kMail, second.claim, now(), book_);
  EXPECT_EQ(figures().ready, 2) << "a second time there is nothing";
}

TEST_F(ClaimTest, AGoneWorkerGivesUpItsOwnJobsOnly) {
  for (int i = 0; i < 5; ++i) enqueue();
  const ClaimGrant first = claim("w", 2);
  const ClaimGrant others = claim("v", 2);
  claim("w", 1);
  ASSERT_TRUE(settle(first.jobs[0].id, first.claim, Outcome::kSucceeded));

  ASSERT_TRUE(engine_->worker_gone(kMail, "w", {}, GoneCause::kDisruption, now(), book_));

  EXPECT_EQ(figures().ready, 2);
  for (const Granted& job : others.jobs) EXPECT_EQ(state(job.id), JobState::kRunning);
  EXPECT_EQ(claimed().size(), 2u);
}

TEST_F(ClaimTest, ListsRunningJobsOfTheQueueInOrderOfId) {
  const QueueName other{"default", "other"};
  configure({}, other);
  ASSERT_TRUE(try_enqueue({}, {}, other));
  ASSERT_TRUE(engine_->claim({other, "w", "w-uid", 1}, now(), book_));
  std::vector<JobId> running;
  for (int i = 0; i < 5; ++i) running.push_back(enqueue());
  enqueue();
  claim("w", 2);
  claim("v", 3);
  std::sort(running.begin(), running.end());
  const auto ids = [&](std::optional<JobId> after, std::size_t limit) {
    std::vector<JobId> listed;
    for (const JobView& job : engine_->list_running(kMail, after, limit, now())) {
      listed.push_back(job.record.id);
    }
    return listed;
  };

  EXPECT_EQ(ids({}, 100), running);
  EXPECT_EQ(ids({}, 2), std::vector<JobId>(running.begin(), running.begin() + 2));
  EXPECT_EQ(ids(running[1], 2), std::vector<JobId>(running.begin() + 2, running.begin() + 4));
  EXPECT_EQ(ids(running[4], 2), std::vector<JobId>{});
}

TEST_F(ClaimTest, ALapsedLeaseMakesTheJobReadyAndIsRefusedLater) {
  // SURVIVAL 22: a worker that wakes up late.
  const JobId id = enqueue();
  const ClaimGrant old_claim = claim("slow");

  advance(30s);
  EXPECT_EQ(state(id), JobState::kReady);
  EXPECT_EQ(view(id).record.lease_losses, 1u);
  EXPECT_EQ(extend(id, old_claim.claim, "slow"), api::LeaseStatus::kLost);

  const ClaimGrant new_claim = claim("quick");
  const Status late = settle(id, old_claim.claim, Outcome::kSucceeded);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kConflict);
  EXPECT_TRUE(settle(id, new_claim.claim, Outcome::kSucceeded));
}

TEST_F(ClaimTest, AHeartbeatWithoutARatioKeepsTheLastOne) {
  const JobId id = enqueue();
  const ClaimNumber lease = claim().claim;
  const auto tell = [&](ToldProgress progress) {
    ExtendRequest request{kMail, "w", "w-uid", {{id, lease, std::move(progress)}}};
    ASSERT_TRUE(engine_->extend(request, now(), book_));
  };

  tell({0.4, "half way"});
  tell({{}, "nearly"});

  EXPECT_EQ(view(id).progress->ratio, 0.4);
  EXPECT_EQ(view(id).progress->message, "nearly");
}

TEST_F(ClaimTest, HeartbeatsKeepALease) {
  const JobId id = enqueue();
  const ClaimGrant grant = claim();

  for (int i = 0; i < 10; ++i) {
    advance(20s);
    ASSERT_EQ(extend(id, grant.claim), api::LeaseStatus::kOk);
  }

  EXPECT_EQ(state(id), JobState::kRunning);
}

TEST_F(ClaimTest, ATimeoutEndsARunWhateverTheHeartbeats) {
  // SURVIVAL 22: the handler hangs, the heartbeat thread lives.
  NewJob job;
  job.timeout_seconds = 60;
  const JobId id = enqueue(job);
  const ClaimGrant grant = claim();
  for (int i = 0; i < 6; ++i) {
    advance(10s);
    extend(id, grant.claim);
  }
  ASSERT_EQ(state(id), JobState::kRunning) << "the worker has min(leaseSeconds, 5) to settle";

  advance(5s);

  EXPECT_EQ(state(id), JobState::kScheduled);
  EXPECT_EQ(view(id).record.attempts, 1u);
  EXPECT_EQ(view(id).extras.history.back().end, RunEnd::kTimeout);
}

TEST_F(ClaimTest, AClockSetForwardEndsNoLease) {
  // SURVIVAL 9
  const JobId id = enqueue();
  claim();

  clock_.jump_wall(24h);
  advance(1s);

  EXPECT_EQ(state(id), JobState::kRunning);
}

TEST_F(ClaimTest, TheSixthLeaseLossKills) {
  // SURVIVAL 23: a job that crashes its worker every time.
  const JobId id = enqueue();
  for (int losses = 0; losses < 5; ++losses) {
    ASSERT_EQ(claim().jobs.size(), 1u);
    advance(30s);
    ASSERT_EQ(state(id), JobState::kReady);
  }
  ASSERT_EQ(claim().jobs.size(), 1u);

  advance(30s);

  EXPECT_EQ(state(id), JobState::kDead);
  EXPECT_EQ(view(id).extras.error->reason, "LeaseLost");
  EXPECT_EQ(view(id).record.attempts, 0u);
}

TEST_F(ClaimTest, DisruptionsAndReleasesNeverKill) {
  // SURVIVAL 23: a deploy that evicts a worker again and again.
  const JobId id = enqueue();
  for (int i = 0; i < 30; ++i) {
    claim();
    ASSERT_TRUE(
        engine_->worker_gone(kMail, "w", std::nullopt, GoneCause::kDisruption, now(), book_));
    const ClaimGrant grant = claim();
    ASSERT_TRUE(settle(id, grant.claim, Outcome::kReleased));
  }

  EXPECT_EQ(state(id), JobState::kReady);
  EXPECT_EQ(view(id).record.releases, 30u);
  EXPECT_EQ(view(id).record.lease_losses, 0u);
  EXPECT_EQ(view(id).extras.history.size(), kHistoryRunsMax);
}

TEST_F(ClaimTest, AReleasedLostOrDisruptedJobKeepsItsOldPlace) {
  const auto gone = [this](GoneCause cause) {
    EXPECT_TRUE(engine_->worker_gone(kMail, "w", std::nullopt, cause, now(), book_));
  };
  const std::pair<const char*, std::function<void(const ClaimGrant&)>> ways[] = {
      {"released",
       [&](const ClaimGrant& grant) {
         EXPECT_TRUE(settle(grant.jobs[0].id, grant.claim, Outcome::kReleased));
       }},
      {"lost", [&](const ClaimGrant&) { advance(30s); }},
      {"disrupted", [&](const ClaimGrant&) { gone(GoneCause::kDisruption); }},
      {"crashed", [&](const ClaimGrant&) { gone(GoneCause::kCrash); }},
  };
  for (const auto& [name, ends] : ways) {
    SCOPED_TRACE(name);
    const JobId first = enqueue();
    advance(1s);
    const JobId second = enqueue();
    const ClaimGrant grant = claim("w");
    ASSERT_EQ(grant.jobs.at(0).id, first);
    advance(1s);
    const JobId third = enqueue();

    ends(grant);
    restart();

    for (const JobId next : {first, second, third}) {
      const ClaimGrant again = claim("w");
      ASSERT_EQ(again.jobs.at(0).id, next);
      ASSERT_TRUE(settle(next, again.claim, Outcome::kSucceeded));
    }
  }
}

TEST_F(ClaimTest, AClockSetBackEndsNoLeaseAndStartsNothingAnew) {
  const JobId running = enqueue();
  const ClaimGrant grant = claim();
  NewJob delayed;
  delayed.delay = 10s;
  const JobId later = enqueue(delayed);

  clock_.jump_wall(-1h);
  advance(29s);
  EXPECT_EQ(state(running), JobState::kRunning);
  EXPECT_EQ(claimed(), std::vector<JobId>{}) << "dates follow the wall clock";
  const JobId younger = enqueue();
  EXPECT_GT(younger, later) << "ids go on";
  restart();

  EXPECT_EQ(extend(running, grant.claim), api::LeaseStatus::kOk);
  EXPECT_EQ(claimed(), std::vector{younger});
  advance(1h);
  EXPECT_EQ(state(later), JobState::kReady);
}

TEST_F(ClaimTest, ADrainedWorkerIsWokenAndGetsNoMore) {
  claim("w");
  engine_->wait_for_claim(1, request("w"));

  ASSERT_TRUE(engine_->drain_worker(kMail, "w", std::nullopt, true, now(), book_));
  const Effects woken = effects();
  ASSERT_EQ(woken.claims.size(), 1u);
  EXPECT_TRUE(woken.claims[0].grant->drain);

  enqueue();
  EXPECT_TRUE(claim("w").drain);
  restart();
  EXPECT_TRUE(claim("w").drain) << "drains are durable";
  EXPECT_EQ(claim("other").jobs.size(), 1u);
  ASSERT_TRUE(engine_->drain_worker(kMail, "w", "w-uid", false, now(), book_));
  EXPECT_FALSE(claim("w").drain);
}

TEST_F(ClaimTest, AWorkerThatReportsDrainingIsAnsweredAtOnce) {
  // SURVIVAL 28: it waits for its last claim's answer, lest jobs granted meanwhile be lost.
  claim("w");
  claim("other");
  engine_->wait_for_claim(1, request("w"));
  engine_->wait_for_claim(2, request("other"));

  ASSERT_TRUE(engine_->extend(
      {.queue = kMail, .worker = "w", .instance = "w-uid", .draining = true}, now(), book_));
  const Effects woken = effects();

  ASSERT_EQ(woken.claims.size(), 1u);
  EXPECT_EQ(woken.claims[0].waiter, 1u);
  EXPECT_TRUE(woken.claims[0].grant->jobs.empty());
  EXPECT_FALSE(woken.claims[0].grant->drain) << "nobody asked it to";
}

TEST_F(ClaimTest, ADrainIsPerInstance) {
  claim("w");
  ASSERT_TRUE(engine_->drain_worker(kMail, "w", "w-uid", true, now(), book_));
  enqueue();

  const Result<ClaimGrant> successor = engine_->claim({kMail, "w", "next-uid", 1}, now(), book_);

  ASSERT_TRUE(successor);
  EXPECT_EQ(successor->jobs.size(), 1u);
}

TEST_F(ClaimTest, PausedDispatchStartsNothingUntilResumed) {
  ASSERT_TRUE(engine_->pause(kMail, std::nullopt, true, now(), book_));
  enqueue();
  EXPECT_TRUE(claim().jobs.empty());
  EXPECT_EQ(figures().dispatchable, 0);
  engine_->wait_for_claim(1, request());
  EXPECT_TRUE(effects().claims.empty());

  ASSERT_TRUE(engine_->resume(kMail, now(), book_));

  EXPECT_EQ(effects().claims.size(), 1u);
}

}  // namespace
}  // namespace sluice::broker::testing
