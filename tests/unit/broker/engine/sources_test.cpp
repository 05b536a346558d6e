#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

class SourcesTest : public EngineTest {
 protected:
  JobId enqueue_from(const std::string& uid) {
    NewJob job;
    job.source = JobSource{"Job", uid, "job-" + uid};
    return enqueue(job);
  }
  Result<Enqueued> tick(Duration at, api::ConcurrencyPolicy policy) {
    NewJob job;
    job.schedule = ScheduleTick{"s1", start_ + at, policy};
    return try_enqueue(job);
  }
  std::vector<JobState> feed(std::string& cursor) {
    OutcomePage page = engine_->outcomes(cursor, 100, now());
    cursor = page.cursor;
    std::vector<JobState> states;
    for (const OutcomeEntry& entry : page.entries) states.push_back(entry.state);
    return states;
  }
  const TimePoint start_ = now().wall;
};

TEST_F(SourcesTest, TheFeedTellsAcceptedStartedEndedOnceEach) {
  std::string cursor;
  const JobId id = enqueue_from("a");
  EXPECT_EQ(feed(cursor), std::vector{JobState::kReady});
  EXPECT_TRUE(effects().outcomes_changed);
  const ClaimGrant grant = claim();
  EXPECT_EQ(feed(cursor), std::vector{JobState::kRunning});
  ASSERT_TRUE(settle(id, grant.claim, Outcome::kSucceeded));
  EXPECT_EQ(feed(cursor), std::vector{JobState::kSucceeded});
  EXPECT_TRUE(feed(cursor).empty());
}

TEST_F(SourcesTest, AnOutcomeStaysUntilAcknowledged) {
  const JobId id = enqueue_from("a");
  ASSERT_TRUE(settle(id, claim().claim, Outcome::kSucceeded));
  restart();
  std::string cursor = "1-999";  // of the boot before
  EXPECT_EQ(feed(cursor), std::vector{JobState::kSucceeded});
  EXPECT_EQ(engine_->jobs_of_source(kMail, "a"), std::vector{id});

  engine_->acknowledge(kMail, std::vector{id, id, Uuid{5, 5}}, now(), book_);

  EXPECT_TRUE(book_.outcomes.empty());
  cursor.clear();
  EXPECT_TRUE(feed(cursor).empty());
}

TEST_F(SourcesTest, AnUnacknowledgedDeadLetterOutlivesItsRetention) {
  const JobId id = enqueue_from("a");
  fail_next(exit_code(65));
  advance(15 * 24h);
  EXPECT_EQ(state(id), JobState::kDead);

  engine_->acknowledge(kMail, std::vector{id}, now(), book_);
  restart();
  std::string cursor;
  EXPECT_TRUE(feed(cursor).empty());
  advance(1s);

  EXPECT_FALSE(engine_->find(kMail, id, now()));
}

TEST_F(SourcesTest, ATickFiresOnceWithTwoLeaders) {
  // SURVIVAL 8
  const Result<Enqueued> first = tick(60s, api::ConcurrencyPolicy::kAllow);
  const Result<Enqueued> second = tick(60s, api::ConcurrencyPolicy::kAllow);
  restart();
  const Result<Enqueued> later = tick(60s, api::ConcurrencyPolicy::kAllow);

  EXPECT_FALSE(first->repeated);
  EXPECT_TRUE(second->repeated);
  EXPECT_EQ(second->id, first->id);
  EXPECT_TRUE(later->repeated);
  EXPECT_TRUE(tick(30s, api::ConcurrencyPolicy::kAllow)->repeated) << "an older one";
  EXPECT_EQ(figures().ready, 1);
  EXPECT_EQ(engine_->schedule(kMail, "s1")->last_tick, start_ + 60s);
}

TEST_F(SourcesTest, ForbidSkipsWhileOneIsActive) {
  const JobId first = tick(60s, api::ConcurrencyPolicy::kForbid)->id;
  EXPECT_TRUE(tick(120s, api::ConcurrencyPolicy::kForbid)->skipped);
  fail_next();
  EXPECT_EQ(state(first), JobState::kScheduled);
  EXPECT_TRUE(tick(180s, api::ConcurrencyPolicy::kForbid)->skipped) << "backing off is active";
  ASSERT_TRUE(engine_->cancel(kMail, first, now(), book_));

  EXPECT_FALSE(tick(240s, api::ConcurrencyPolicy::kForbid)->skipped);
}

TEST_F(SourcesTest, ReplaceCancelsWhatIsActive) {
  const JobId waiting = tick(60s, api::ConcurrencyPolicy::kReplace)->id;
  const JobId running = tick(120s, api::ConcurrencyPolicy::kReplace)->id;
  EXPECT_EQ(state(waiting), JobState::kCancelled);
  claim();

  const JobId last = tick(180s, api::ConcurrencyPolicy::kReplace)->id;

  EXPECT_TRUE(view(running).record.cancel_requested);
  EXPECT_EQ(state(last), JobState::kReady);
}

TEST_F(SourcesTest, EnqueueRunsTicksOneAfterTheOther) {
  const JobId first = tick(60s, api::ConcurrencyPolicy::kEnqueue)->id;
  const JobId second = tick(120s, api::ConcurrencyPolicy::kEnqueue)->id;
  const JobId third = tick(180s, api::ConcurrencyPolicy::kEnqueue)->id;
  EXPECT_EQ(state(second), JobState::kBlocked);
  EXPECT_EQ(figures().blocked, 2);
  restart();

  ASSERT_TRUE(settle(first, claim("w", 5).claim, Outcome::kSucceeded));
  EXPECT_EQ(state(second), JobState::kReady);
  EXPECT_EQ(state(third), JobState::kBlocked);
  ASSERT_TRUE(engine_->cancel(kMail, second, now(), book_));
  EXPECT_EQ(state(third), JobState::kReady);
}

TEST_F(SourcesTest, ARestartKeepsEverythingInItsPlace) {
  // SURVIVAL 20
  NewJob delayed;
  delayed.delay = 1h;
  const JobId scheduled = enqueue(delayed), running = enqueue(), dead = enqueue();
  const ClaimGrant lease = claim();
  fail_next(exit_code(65));
  const JobId first = enqueue(), second = enqueue();
  advance(20s);

  restart();

  EXPECT_EQ(state(scheduled), JobState::kScheduled);
  EXPECT_EQ(state(running), JobState::kRunning);
  EXPECT_EQ(state(dead), JobState::kDead);
  advance(20s);
  EXPECT_EQ(extend(running, lease.claim), api::LeaseStatus::kOk) << "its full time again";
  EXPECT_EQ(claimed(), (std::vector{first, second}));
  EXPECT_NE(book_.claims.rbegin()->first, lease.claim) << "tokens never repeat";
  ASSERT_TRUE(settle(running, lease.claim, Outcome::kSucceeded));
  EXPECT_EQ(figures().bytes, 2 * 3);
}

TEST_F(SourcesTest, AClaimOfAJobThatHadToWaitSurvivesARestart) {
  // SURVIVAL 20: becoming due writes no record, so the job is still Scheduled on disk.
  NewJob delayed;
  delayed.delay = 5s;
  const JobId late = enqueue(delayed);
  const JobId failing = enqueue();
  fail_next(exit_code(1), 5);
  advance(5s);
  const ClaimGrant grant = claim("w", 2);
  ASSERT_EQ(grant.jobs.size(), 2u);

  restart();

  for (const JobId id : {late, failing}) {
    EXPECT_EQ(state(id), JobState::kRunning);
    EXPECT_TRUE(settle(id, grant.claim, Outcome::kSucceeded));
  }
  EXPECT_EQ(figures().backlog, 0);
}

TEST_F(SourcesTest, ARestartDoesNotExtendADeadline) {
  NewJob job;
  job.timeout_seconds = 60;
  const JobId id = enqueue(job);
  const ClaimGrant grant = claim();
  clock_.advance(50s);

  restart();
  advance(14s);
  EXPECT_EQ(extend(id, grant.claim), api::LeaseStatus::kOk);
  advance(1s);

  EXPECT_EQ(view(id).record.attempts, 1u);
}

}  // namespace
}  // namespace sluice::broker::testing
