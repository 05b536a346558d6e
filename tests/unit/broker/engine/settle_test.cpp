#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

using SettleTest = EngineTest;

TEST_F(SettleTest, SuccessLeavesTheResultAndNothingElse) {
  const JobId id = enqueue();
  const ClaimGrant grant = claim();

  ASSERT_TRUE(settle(id, grant.claim, Outcome::kSucceeded, {}, {}, R"({"n":1})"));

  EXPECT_FALSE(engine_->find(kMail, id, now()));
  ASSERT_EQ(book_.finished.size(), 1u);
  const auto& kept = book_.finished.begin()->second;
  EXPECT_EQ(kept.result, R"({"n":1})");
  EXPECT_EQ(kept.record.expires_at, now().wall + 1h);
  EXPECT_EQ(kept.extras.last_settlement, (LastSettlement{grant.claim, Outcome::kSucceeded}));
  EXPECT_TRUE(book_.jobs.empty());
  EXPECT_TRUE(book_.bodies.empty());
  EXPECT_TRUE(book_.claims.empty());
}

TEST_F(SettleTest, ResultTtlZeroDropsTheJob) {
  api::QueueSpec spec;
  spec.result_ttl_seconds = 0;
  configure(spec);
  const JobId id = enqueue();

  ASSERT_TRUE(settle(id, claim().claim, Outcome::kSucceeded));

  EXPECT_TRUE(book_.finished.empty());
}

TEST_F(SettleTest, FailureBacksOffWithinItsCeiling) {
  const JobId id = enqueue();
  for (const Duration ceiling : {1s, 2s, 4s, 8s}) {
    fail_next();
    ASSERT_EQ(state(id), JobState::kScheduled);
    EXPECT_LE(view(id).record.due_at, now().wall + ceiling);
    EXPECT_EQ(figures().backlog, 1) << "backing off counts";
    advance(ceiling);
  }
  fail_next();

  EXPECT_EQ(state(id), JobState::kDead) << "maxAttempts is 5";
  EXPECT_EQ(view(id).record.attempts, 5u);
  EXPECT_EQ(view(id).extras.error->exit_code, 1);
  EXPECT_EQ(view(id).extras.history.size(), 5u);
  EXPECT_EQ(book_.dead.size(), 1u);
  EXPECT_TRUE(book_.jobs.empty());
  EXPECT_EQ(book_.bodies.size(), 1u) << "a redrive needs the payload";
}

TEST_F(SettleTest, TheHandlersRetryAfterWins) {
  const JobId id = enqueue();

  fail_next(exit_code(1), 100);

  EXPECT_EQ(view(id).record.due_at, now().wall + 100s);
}

TEST_F(SettleTest, RetryNeverAndFinalExitCodesDieAtOnce) {
  api::RunError never = exit_code(1);
  never.retry_never = true;
  for (const api::RunError& error : {never, exit_code(65), exit_code(66)}) {
    const JobId id = enqueue();
    fail_next(error);
    EXPECT_EQ(state(id), JobState::kDead);
    EXPECT_EQ(view(id).record.attempts, 1u);
  }
}

TEST_F(SettleTest, CancelOfARunningJobIsAnsweredToItsHeartbeat) {
  const JobId id = enqueue();
  const ClaimGrant grant = claim();
  ASSERT_TRUE(engine_->cancel(kMail, id, now(), book_));
  restart();

  EXPECT_EQ(state(id), JobState::kRunning);
  EXPECT_EQ(extend(id, grant.claim), api::LeaseStatus::kCancelled);
  ASSERT_TRUE(settle(id, grant.claim, Outcome::kFailed, exit_code(1)));

  EXPECT_EQ(state(id), JobState::kCancelled) << "never retried";
}

TEST_F(SettleTest, ACancelledJobThatTheBrokerTimesOutIsCancelled) {
  NewJob job;
  job.timeout_seconds = 20;
  const JobId id = enqueue(job);
  const ClaimGrant grant = claim();
  ASSERT_TRUE(engine_->cancel(kMail, id, now(), book_));
  advance(20s);
  ASSERT_EQ(extend(id, grant.claim), api::LeaseStatus::kCancelled);

  advance(5s);

  EXPECT_EQ(state(id), JobState::kCancelled);
  EXPECT_EQ(settle(id, grant.claim, Outcome::kSucceeded).error().code, ErrorCode::kNotFound);
}

TEST_F(SettleTest, SuccessWinsOverCancel) {
  const JobId id = enqueue();
  const ClaimGrant grant = claim();
  ASSERT_TRUE(engine_->cancel(kMail, id, now(), book_));

  ASSERT_TRUE(settle(id, grant.claim, Outcome::kSucceeded));

  EXPECT_EQ(state(id), JobState::kSucceeded);
}

TEST_F(SettleTest, AWaitingJobIsCancelledAtOnce) {
  NewJob delayed;
  delayed.delay = 1h;
  const JobId ready = enqueue(), scheduled = enqueue(delayed);

  EXPECT_EQ(engine_->cancel(kMail, ready, now(), book_)->state, JobState::kCancelled);
  EXPECT_EQ(engine_->cancel(kMail, scheduled, now(), book_)->state, JobState::kCancelled);

  EXPECT_EQ(state(ready), JobState::kCancelled);
  EXPECT_TRUE(claimed().empty());
  advance(1h);
  EXPECT_TRUE(claimed().empty());
}

TEST_F(SettleTest, ARepeatedSettlementAnswersOkUntilALaterClaim) {
  const JobId id = enqueue();
  const ClaimGrant first = claim();
  ASSERT_TRUE(settle(id, first.claim, Outcome::kFailed, exit_code(1), 1));

  EXPECT_TRUE(settle(id, first.claim, Outcome::kFailed, exit_code(1), 1));
  EXPECT_EQ(view(id).record.attempts, 1u) << "counted once";
  EXPECT_FALSE(settle(id, first.claim, Outcome::kSucceeded)) << "another outcome";

  advance(1s);
  claim();
  EXPECT_FALSE(settle(id, first.claim, Outcome::kFailed, exit_code(1), 1));
}

TEST_F(SettleTest, AnOversizedResultKeepsTheLease) {
  api::QueueSpec spec;
  spec.payload.max_result_bytes = 4;
  configure(spec);
  const JobId id = enqueue();
  const ClaimGrant grant = claim();

  const Status refused = settle(id, grant.claim, Outcome::kSucceeded, {}, {}, R"("12345")");

  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(extend(id, grant.claim), api::LeaseStatus::kOk);
}

TEST_F(SettleTest, DeadLettersGoByAgeAndNumber) {
  api::QueueSpec spec;
  spec.dead_letter = {.retention_seconds = 100, .max_jobs = 2};
  configure(spec);
  std::vector<JobId> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(enqueue());
    fail_next(exit_code(65));
    advance(10s);
  }
  EXPECT_FALSE(engine_->find(kMail, ids[0], now())) << "the oldest gives way";
  EXPECT_EQ(figures().dead, 2);

  advance(90s);

  EXPECT_EQ(figures().dead, 0);
  EXPECT_TRUE(book_.bodies.empty());
}

TEST_F(SettleTest, WatchedJobsAreReportedWhenTheyEnd) {
  const JobId id = enqueue(), other = enqueue();
  engine_->watch(id);
  ASSERT_EQ(claimed().size(), 2u);
  const ClaimNumber lease = book_.claims.begin()->first;

  ASSERT_TRUE(settle(other, lease, Outcome::kSucceeded));
  ASSERT_TRUE(settle(id, lease, Outcome::kSucceeded));

  EXPECT_EQ(effects().ended, std::vector{id});
}

}  // namespace
}  // namespace sluice::broker::testing
