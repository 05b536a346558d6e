#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

class UniqueKeyTest : public EngineTest {
 protected:
  static NewJob unique(const std::string& key, bool replace = false) {
    NewJob job;
    job.unique_key = key;
    job.replace = replace;
    return job;
  }
  Enqueued enqueue_unique(const std::string& key, bool replace = false) {
    const auto done = try_enqueue(unique(key, replace));
    EXPECT_TRUE(done);
    return done ? *done : Enqueued{};
  }
};

TEST_F(UniqueKeyTest, ASecondJobIsNotMadeWhileTheFirstHasNotEnded) {
  const Enqueued first = enqueue_unique("k");

  const Enqueued while_ready = enqueue_unique("k");
  const ClaimGrant grant = claim();
  const Enqueued while_running = enqueue_unique("k");
  ASSERT_TRUE(settle(first.id, grant.claim, Outcome::kSucceeded));
  const Enqueued after = enqueue_unique("k");

  EXPECT_TRUE(while_ready.repeated);
  EXPECT_EQ(while_ready.id, first.id);
  EXPECT_TRUE(while_running.repeated);
  EXPECT_EQ(while_running.state, JobState::kRunning);
  EXPECT_FALSE(after.repeated);
  EXPECT_NE(after.id, first.id);
}

TEST_F(UniqueKeyTest, OtherKeysAndJobsWithoutOneAreNotHeldUp) {
  enqueue_unique("a");

  EXPECT_FALSE(enqueue_unique("b").repeated);
  EXPECT_FALSE(try_enqueue()->repeated);
  EXPECT_EQ(figures().ready, 3);
}

TEST_F(UniqueKeyTest, DeathAndCancellationFreeTheKey) {
  enqueue_unique("k");
  fail_next(exit_code(65));
  const Enqueued second = enqueue_unique("k");
  EXPECT_FALSE(second.repeated);

  ASSERT_TRUE(engine_->cancel(kMail, second.id, now(), book_));

  EXPECT_FALSE(enqueue_unique("k").repeated);
}

// The job that makes way is a parent that was cancelled, also for others of the same batch.
TEST_F(UniqueKeyTest, AJobMayDependOnTheOneThatItReplaces) {
  const Enqueued first = enqueue_unique("k");
  NewJob heir = unique("k", true), other;
  heir.depends_on = other.depends_on = {first.id};
  other.on_parent_failure = api::ParentFailure::kRun;

  const auto replaced = try_enqueue(heir);
  const auto beside = try_enqueue(other);

  ASSERT_TRUE(replaced && beside);
  EXPECT_EQ(replaced->replaced, first.id);
  EXPECT_EQ(state(replaced->id), JobState::kDead);
  EXPECT_EQ(view(replaced->id).extras.error->reason, "ParentFailed");
  EXPECT_FALSE(beside->stale);
  restart();
  EXPECT_EQ(claimed(), std::vector{beside->id});
}

TEST_F(UniqueKeyTest, ABackoffDoesNotFreeIt) {
  const Enqueued first = enqueue_unique("k");
  fail_next();

  EXPECT_EQ(enqueue_unique("k").id, first.id);
}

TEST_F(UniqueKeyTest, ReplaceTakesThePlaceOfTheJobThatWaits) {
  const Enqueued first = enqueue_unique("k");

  const Enqueued second = enqueue_unique("k", true);

  EXPECT_EQ(second.replaced, first.id);
  EXPECT_FALSE(second.repeated);
  EXPECT_EQ(state(first.id), JobState::kCancelled);
  EXPECT_EQ(claimed(), std::vector<JobId>{second.id});
}

TEST_F(UniqueKeyTest, ReplaceLetsARunningJobGoOnAndTakesItsKey) {
  const Enqueued running = enqueue_unique("k");
  const ClaimGrant grant = claim();

  const Enqueued next = enqueue_unique("k", true);
  EXPECT_FALSE(next.replaced);
  ASSERT_TRUE(settle(running.id, grant.claim, Outcome::kSucceeded));

  EXPECT_EQ(enqueue_unique("k").id, next.id);
  EXPECT_EQ(figures().ready, 1);
}

TEST_F(UniqueKeyTest, ARestartKnowsWhoHoldsIt) {  // SURVIVAL 20
  enqueue_unique("k");
  claim();
  const Enqueued next = enqueue_unique("k", true);
  const Enqueued other = enqueue_unique("l");
  restart();

  EXPECT_EQ(enqueue_unique("k").id, next.id);
  EXPECT_EQ(enqueue_unique("l").id, other.id);
}

TEST_F(UniqueKeyTest, ARedrivenJobHoldsItAgainUnlessSomebodyElseDoes) {
  const Enqueued first = enqueue_unique("k");
  fail_next(exit_code(65));
  const auto redrive = [&] {
    const auto task = engine_->redrive(kMail, {}, 1000, now(), book_);
    ASSERT_TRUE(task) << task.error().message;
    advance(1s);
  };
  redrive();
  EXPECT_EQ(enqueue_unique("k").id, first.id);

  fail_next(exit_code(65));
  const Enqueued second = enqueue_unique("k");
  redrive();
  EXPECT_EQ(enqueue_unique("k").id, second.id);
  EXPECT_EQ(figures().ready, 2);
}

}  // namespace
}  // namespace sluice::broker::testing
