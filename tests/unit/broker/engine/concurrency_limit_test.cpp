#include <rapidcheck/gtest.h>

#include <algorithm>

#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

class ConcurrencyLimitTest : public EngineTest {
 protected:
  void limit(std::optional<int> max, std::optional<int> per_key) {
    spec_.concurrency_limit = api::ConcurrencyLimit{max, per_key};
    configure(spec_);
    effects();
  }
  JobId enqueue_key(const std::string& key, int priority = 5,
                    std::optional<Duration> delay = std::nullopt) {
    NewJob job;
    job.key = key;
    job.priority = priority;
    job.delay = delay;
    return enqueue(std::move(job));
  }
  // The one job that may start now, claimed; nil when there is none.
  JobId start() {
    grant_ = claim();
    return grant_.jobs.empty() ? JobId{} : grant_.jobs[0].id;
  }
  void settle_last(Outcome outcome, std::optional<int> retry_after = {}) {
    ASSERT_TRUE(settle(grant_.jobs.at(0).id, grant_.claim, outcome, exit_code(1), retry_after));
  }

  api::QueueSpec spec_;
  ClaimGrant grant_;
};

TEST_F(ConcurrencyLimitTest, NoMoreThanMaxRun) {
  limit(2, {});
  for (int i = 0; i < 5; ++i) enqueue();
  EXPECT_EQ(figures().dispatchable, 2);

  const ClaimGrant grant = claim("w", 10);

  EXPECT_EQ(grant.jobs.size(), 2u);
  EXPECT_EQ(claimed().size(), 0u);
  EXPECT_EQ(figures().dispatchable, 0);
  ASSERT_TRUE(settle(grant.jobs[0].id, grant.claim, Outcome::kSucceeded));
  EXPECT_EQ(claimed().size(), 1u);
}

TEST_F(ConcurrencyLimitTest, AWaitingClaimGetsTheSlotThatIsFreed) {
  limit(1, {});
  enqueue();
  enqueue();
  start();
  ASSERT_TRUE(claim("waiting").jobs.empty());
  engine_->wait_for_claim(1, request("waiting"));
  EXPECT_TRUE(effects().claims.empty());

  settle_last(Outcome::kSucceeded);

  EXPECT_EQ(effects().claims.size(), 1u);
}

TEST_F(ConcurrencyLimitTest, WhatRanBeforeARestartStillCounts) {
  limit(2, {});
  for (int i = 0; i < 3; ++i) enqueue();
  ASSERT_EQ(claimed().size(), 2u);

  restart();

  EXPECT_EQ(claimed().size(), 0u);
}

TEST_F(ConcurrencyLimitTest, JobsOfAKeyStartInEnqueueOrderWhateverTheirPriority) {
  limit({}, 1);
  const JobId first = enqueue_key("k", 0);
  const JobId second = enqueue_key("k", 9);
  const JobId other = enqueue_key("l", 5);

  EXPECT_EQ(claimed(), (std::vector{other, first}));  // among keys the priority decides
  EXPECT_EQ(claimed().size(), 0u);
  EXPECT_EQ(figures().ready, 1);
  EXPECT_EQ(figures().dispatchable, 0);
  EXPECT_EQ(state(second), JobState::kReady);
}

TEST_F(ConcurrencyLimitTest, NothingElseOfTheKeyStartsUntilTheFirstHasEnded) {
  limit({}, 1);
  const JobId first = enqueue_key("k", 0);
  const JobId second = enqueue_key("k", 9);

  ASSERT_EQ(start(), first);
  settle_last(Outcome::kReleased);
  ASSERT_EQ(start(), first);
  settle_last(Outcome::kFailed, 60);  // backing off
  EXPECT_EQ(start(), JobId{});
  advance(60s);
  ASSERT_EQ(start(), first);
  advance(31s);  // its lease is lost
  ASSERT_EQ(start(), first);
  engine_->hand_back(kMail, grant_.claim, now(), book_);
  ASSERT_EQ(start(), first);
  settle_last(Outcome::kSucceeded);

  EXPECT_EQ(start(), second);
}

TEST_F(ConcurrencyLimitTest, TheNextOneFollowsADeathAndACancellation) {
  limit({}, 1);
  enqueue_key("k");
  const JobId second = enqueue_key("k");
  const JobId third = enqueue_key("k");
  const JobId fourth = enqueue_key("k");
  const JobId fifth = enqueue_key("k");

  start();
  api::RunError final = exit_code(65);
  ASSERT_TRUE(settle(grant_.jobs[0].id, grant_.claim, Outcome::kFailed, final));
  ASSERT_EQ(start(), second);
  ASSERT_TRUE(engine_->cancel(kMail, second, now(), book_));
  settle_last(Outcome::kReleased);
  ASSERT_EQ(state(second), JobState::kCancelled);
  ASSERT_TRUE(engine_->cancel(kMail, third, now(), book_));
  ASSERT_EQ(start(), fourth);
  settle_last(Outcome::kSucceeded);
  EXPECT_EQ(start(), fifth);
}

TEST_F(ConcurrencyLimitTest, ADelayedJobTakesItsPlaceWhenItBecomesReady) {
  limit({}, 1);
  const JobId delayed = enqueue_key("k", 5, 60s);
  const JobId first = enqueue_key("k");
  ASSERT_EQ(start(), first);
  advance(20s);
  EXPECT_EQ(extend(first, grant_.claim), api::LeaseStatus::kOk);
  advance(20s);
  EXPECT_EQ(extend(first, grant_.claim), api::LeaseStatus::kOk);
  advance(20s);  // the delayed one is Ready
  const JobId last = enqueue_key("k", 9);

  restart();
  EXPECT_EQ(start(), JobId{});
  ASSERT_TRUE(engine_->cancel(kMail, first, now(), book_));
  advance(31s);  // its lease is lost, so it is Cancelled

  EXPECT_EQ(start(), delayed);
  settle_last(Outcome::kSucceeded);
  EXPECT_EQ(start(), last);
}

TEST_F(ConcurrencyLimitTest, ARedrivenJobGoesToTheEnd) {
  limit({}, 1);
  const JobId dies = enqueue_key("k");
  const JobId waits = enqueue_key("k");
  start();
  ASSERT_TRUE(settle(dies, grant_.claim, Outcome::kFailed, exit_code(65)));
  ASSERT_TRUE(engine_->redrive(kMail, {}, 100, now(), book_));

  restart();

  ASSERT_EQ(start(), waits);
  settle_last(Outcome::kSucceeded);
  EXPECT_EQ(start(), dies);
}

TEST_F(ConcurrencyLimitTest, TheOrderOutlivesRestartsAndAClockThatIsSetBack) {
  limit({}, 1);
  const JobId first = enqueue_key("k");
  clock_.jump_wall(-10min);
  const JobId second = enqueue_key("k");
  restart();
  const JobId third = enqueue_key("k");

  for (const JobId next : {first, second, third}) {
    ASSERT_EQ(start(), next);
    const ClaimNumber lease = grant_.claim;
    restart();
    ASSERT_EQ(start(), JobId{});
    ASSERT_TRUE(settle(next, lease, Outcome::kSucceeded));
  }
}

TEST_F(ConcurrencyLimitTest, AHigherLimitPerKeyLetsThatManyRun) {
  limit({}, 2);
  for (int i = 0; i < 4; ++i) enqueue_key("k");
  const JobId urgent = enqueue_key("k", 9);
  EXPECT_EQ(figures().dispatchable, 2);

  const ClaimGrant grant = claim("w", 10);

  ASSERT_EQ(grant.jobs.size(), 2u);
  EXPECT_EQ(grant.jobs[0].id, urgent);
  ASSERT_TRUE(settle(grant.jobs[1].id, grant.claim, Outcome::kFailed, exit_code(1), 60));
  EXPECT_EQ(claimed().size(), 1u);  // one that backs off does not run
}

TEST_F(ConcurrencyLimitTest, ThePerKeyLimitCanComeAndGo) {
  for (int i = 0; i < 3; ++i) enqueue_key("k");
  const ClaimGrant two = claim("w", 2);

  limit({}, 1);
  EXPECT_EQ(claimed().size(), 0u);
  ASSERT_TRUE(settle(two.jobs[0].id, two.claim, Outcome::kSucceeded));
  EXPECT_EQ(claimed().size(), 0u);
  ASSERT_TRUE(settle(two.jobs[1].id, two.claim, Outcome::kFailed, exit_code(1), 60));
  EXPECT_EQ(claimed().size(), 0u);

  configure({});
  EXPECT_EQ(claimed().size(), 1u);
}

TEST_F(ConcurrencyLimitTest, ParkedJobsCountInBacklogAndAge) {
  limit({}, 1);
  enqueue_key("k");
  const TimePoint since = now().wall;
  enqueue_key("k");
  start();
  advance(5s);

  EXPECT_EQ(figures().backlog, 1);
  EXPECT_EQ(figures().oldest_ready_time, since);
}

TEST_F(ConcurrencyLimitTest, DeadJobsAreFoundByTenantAndKey) {
  for (const char* key : {"a", "b"}) {
    NewJob job;
    job.tenant = "t";
    job.key = key;
    enqueue(std::move(job));
    fail_next(exit_code(65));
  }
  DeadFilter filter;
  filter.tenant = "t";
  filter.key = "b";

  EXPECT_EQ(*engine_->purge_dead(kMail, filter, now(), book_), 1u);
  EXPECT_EQ(*engine_->purge_dead(kMail, {}, now(), book_), 1u);
}

}  // namespace
}  // namespace sluice::broker::testing
