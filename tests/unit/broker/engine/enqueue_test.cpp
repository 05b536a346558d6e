#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

using EnqueueTest = EngineTest;

NewJob with_key(std::uint8_t key, std::uint8_t content) {
  NewJob job;
  job.idempotency = IdempotencyKey{{key}, {content}};
  return job;
}

TEST_F(EnqueueTest, ReadyJobsComeInOrderOfEnqueueing) {
  std::vector<JobId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(enqueue());

  EXPECT_EQ(claimed(), ids);
}

TEST_F(EnqueueTest, AHigherPriorityGoesFirstAndAgeingLetsNobodyStarve) {
  NewJob low, high;
  low.priority = 0;
  high.priority = 9;
  const JobId old_low = enqueue(low);
  advance(8min);
  const JobId young_high = enqueue(high);
  const JobId young_low = enqueue(low);

  // 9 priorities are worth 9 minutes of waiting at the default agingSeconds.
  EXPECT_EQ(claimed(), (std::vector{young_high, old_low, young_low}));

  const JobId older_low = enqueue(low);
  advance(10min);
  const JobId late_high = enqueue(high);
  EXPECT_EQ(claimed(), (std::vector{older_low, late_high}));
}

TEST_F(EnqueueTest, AChangedAgingCountsForLaterJobsOnly) {
  NewJob low, middle;
  low.priority = 0;
  middle.priority = 5;
  const JobId old_low = enqueue(low);
  advance(1min);
  const JobId before = enqueue(middle);  // worth five minutes
  api::QueueSpec spec;
  spec.aging_seconds = 1;
  configure(spec);
  restart();
  const JobId after = enqueue(middle);  // worth five seconds

  EXPECT_EQ(claimed(), (std::vector{before, old_low, after}));
}

TEST_F(EnqueueTest, AgingZeroIsStrictPriority) {
  api::QueueSpec spec;
  spec.aging_seconds = 0;
  configure(spec);
  NewJob low, high;
  low.priority = 1;
  high.priority = 2;
  const JobId old_low = enqueue(low);
  advance(24h * 365);
  const JobId young_high = enqueue(high);

  EXPECT_EQ(claimed(), (std::vector{young_high, old_low}));
}

TEST_F(EnqueueTest, ADelayedJobIsScheduledUntilItIsDue) {
  NewJob delayed;
  delayed.delay = 10s;
  const JobId id = enqueue(delayed);
  EXPECT_EQ(state(id), JobState::kScheduled);
  EXPECT_EQ(engine_->until_next(now()), Duration{10s});

  advance(9s);
  EXPECT_EQ(state(id), JobState::kScheduled);

  advance(1s);
  EXPECT_EQ(state(id), JobState::kReady);
}

TEST_F(EnqueueTest, ARunAtInThePastIsReadyAtOnce) {
  NewJob job;
  job.run_at = now().wall - 1h;

  EXPECT_EQ(state(enqueue(job)), JobState::kReady);
}

TEST_F(EnqueueTest, AJobNotStartedByItsExpiryDies) {
  NewJob job;
  job.expires_at = now().wall + 5s;
  const JobId waiting = enqueue(job);

  advance(5s);

  EXPECT_EQ(state(waiting), JobState::kDead);
  EXPECT_EQ(view(waiting).extras.error->reason, "Expired");
  EXPECT_EQ(figures().ready, 0);
}

TEST_F(EnqueueTest, AStartedJobDoesNotExpire) {
  NewJob job;
  job.expires_at = now().wall + 5s;
  const JobId id = enqueue(job);
  fail_next(exit_code(1), 60);

  advance(30s);

  EXPECT_EQ(state(id), JobState::kScheduled);
}

TEST_F(EnqueueTest, ARepeatedKeyAnswersWithTheSameJob) {
  const Result<Enqueued> first = try_enqueue(with_key(1, 7));

  const Result<Enqueued> again = try_enqueue(with_key(1, 7));

  ASSERT_TRUE(again);
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(figures().ready, 1);
}

TEST_F(EnqueueTest, AKeyWithOtherContentIsRefused) {
  ASSERT_TRUE(try_enqueue(with_key(1, 7)));

  const Result<Enqueued> other = try_enqueue(with_key(1, 8));

  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kIdempotency);
}

TEST_F(EnqueueTest, AForgottenKeyIsKnownByTheLookup) {
  engine_->set_open_batch(5);
  const Result<Enqueued> first = try_enqueue(with_key(1, 7));
  engine_->forget_recent(5);
  Lookup lookup;
  lookup.by_key = Lookup::Known{first->id, {7}, JobState::kReady};

  const Result<Enqueued> again = try_enqueue(with_key(1, 7), lookup);

  ASSERT_TRUE(again);
  EXPECT_TRUE(again->repeated);
}

TEST_F(EnqueueTest, AKeyIsRememberedWhileAnOlderLookupIsUnderWay) {
  engine_->set_open_batch(5);
  const Result<Enqueued> first = try_enqueue(with_key(1, 7));
  engine_->forget_recent(4);  // a lookup as of batch 4 saw nothing

  const Result<Enqueued> again = try_enqueue(with_key(1, 7));

  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, first->id);
}

TEST_F(EnqueueTest, AKeyLivesOnAfterItsJobForIdempotencySeconds) {
  const JobId id = enqueue(with_key(1, 7));
  EXPECT_FALSE(book_.keys.begin()->second.expires_at);
  const ClaimGrant grant = claim();
  ASSERT_TRUE(settle(id, grant.claim, Outcome::kSucceeded));

  const Result<Enqueued> again = try_enqueue(with_key(1, 7));

  EXPECT_EQ(book_.keys.begin()->second.expires_at, now().wall + 24h);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, id);
  EXPECT_EQ(again->state, JobState::kSucceeded);
}

TEST_F(EnqueueTest, AGivenIdIsTakenOnce) {
  NewJob job;
  job.id = Uuid{1, 2};
  const JobId id = enqueue(job);
  EXPECT_EQ(id, (Uuid{1, 2}));
  EXPECT_TRUE(try_enqueue(job)->repeated);
  const ClaimGrant grant = claim();
  ASSERT_TRUE(settle(id, grant.claim, Outcome::kSucceeded));

  const Result<Enqueued> after = try_enqueue(job);

  ASSERT_TRUE(after);
  EXPECT_TRUE(after->repeated);
  EXPECT_EQ(after->state, JobState::kSucceeded);
  EXPECT_EQ(figures().backlog, 0);
}

TEST_F(EnqueueTest, RefusalsNameWhatIsWrong) {
  api::QueueSpec small;
  small.payload.max_bytes = 4;
  configure(small);
  NewJob large;
  large.payload = R"("12345")";

  EXPECT_EQ(try_enqueue(large).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(try_enqueue({}, {}, {"default", "nowhere"}).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(engine_->pause(kMail, true, std::nullopt, now(), book_));
  EXPECT_EQ(try_enqueue().error().code, ErrorCode::kQueuePaused);
}

TEST_F(EnqueueTest, DueSoonCountsWhatIsDueWithinItsWindow) {
  api::QueueSpec spec;
  spec.due_soon_seconds = 10;
  configure(spec);
  NewJob job;
  job.delay = 15s;
  enqueue(job);
  EXPECT_EQ(figures().due_soon, 0);

  advance(5s);

  EXPECT_EQ(figures().due_soon, 1);
  EXPECT_EQ(figures().scheduled, 1);
  EXPECT_EQ(figures().backlog, 0) << "delayed by its producer";
}

}  // namespace
}  // namespace sluice::broker::testing
