#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

class QueueTest : public EngineTest {
 protected:
  Status put(const std::string& uid, std::int64_t generation) {
    return engine_->configure({kBulk, {}, uid, generation}, now(), book_);
  }
  Status remove(std::optional<std::string> uid, std::optional<JobsPolicy> jobs) {
    return engine_->delete_queue({kBulk, std::move(uid), jobs}, now(), book_);
  }
  inline static const QueueName kBulk{"default", "bulk"};
};

TEST_F(QueueTest, ALateLeaderCannotBringBackAnOldSpec) {
  // SURVIVAL 8
  ASSERT_TRUE(put("u1", 2));
  ASSERT_TRUE(put("u1", 2));

  const Status late = put("u1", 1);

  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kConflict);
  EXPECT_EQ(late.error().field, "generation");
}

TEST_F(QueueTest, AnotherUidWaitsUntilTheHeldOneIsLetGo) {
  ASSERT_TRUE(put("u1", 1));
  EXPECT_EQ(put("u2", 1).error().field, "uid");
  EXPECT_EQ(remove("u2", JobsPolicy::kRetain).error().code, ErrorCode::kConflict);

  ASSERT_TRUE(remove("u1", JobsPolicy::kRetain));

  EXPECT_TRUE(put("u2", 1));
  EXPECT_EQ(put("u1", 9).error().field, "uid") << "a uid let go is never accepted again";
}

TEST_F(QueueTest, RetainedJobsPassToTheNextUid) {
  ASSERT_TRUE(put("u1", 1));
  const JobId id = try_enqueue({}, {}, kBulk)->id;
  ASSERT_TRUE(remove("u1", JobsPolicy::kRetain));
  EXPECT_EQ(try_enqueue({}, {}, kBulk).error().code, ErrorCode::kNotFound);
  restart();

  ASSERT_TRUE(put("u2", 1));

  EXPECT_TRUE(engine_->find(kBulk, id, now()));
  EXPECT_EQ(engine_->claim({kBulk, "w", "", 1}, now(), book_)->jobs.size(), 1u);
}

TEST_F(QueueTest, PurgeDropsEverythingAndRemembersTheUid) {
  ASSERT_TRUE(put("u1", 1));
  const JobId id = try_enqueue({}, {}, kBulk)->id;
  ASSERT_TRUE(try_enqueue({}, {}, kBulk));
  const ClaimGrant grant = *engine_->claim({kBulk, "w", "", 1}, now(), book_);
  engine_->wait_for_claim(3, {kBulk, "w", "", 1});

  ASSERT_TRUE(remove("u1", JobsPolicy::kPurge));

  EXPECT_FALSE(engine_->find(kBulk, id, now()));
  EXPECT_FALSE(engine_->queue(kBulk, now()));
  EXPECT_EQ(engine_->queues(now()).size(), 1u) << "only the fixture's own";
  EXPECT_FALSE(effects().claims.at(0).grant);
  EXPECT_TRUE(book_.claims.empty());
  EXPECT_TRUE(book_.bodies.empty());
  restart();
  EXPECT_FALSE(put("u1", 2));
  EXPECT_TRUE(put("u2", 1));
  EXPECT_EQ(grant.jobs.size(), 1u);
}

TEST_F(QueueTest, APersonMustSayWhatBecomesOfJobs) {
  configure({}, kBulk);
  ASSERT_TRUE(try_enqueue({}, {}, kBulk));

  EXPECT_EQ(remove({}, {}).error().code, ErrorCode::kQueueNotEmpty);
  EXPECT_TRUE(remove({}, JobsPolicy::kPurge));
  EXPECT_EQ(remove({}, {}).error().code, ErrorCode::kNotFound);
}

TEST_F(QueueTest, AnOverrideIsApartFromTheSpec) {
  api::QueueSpec paused;
  paused.pause.enqueue = true;
  configure(paused);
  ASSERT_TRUE(engine_->pause(kMail, {}, true, now(), book_));
  restart();
  EXPECT_TRUE(engine_->queue(kMail, now())->paused.enqueue);
  EXPECT_TRUE(engine_->queue(kMail, now())->paused.dispatch);
  EXPECT_FALSE(engine_->queue(kMail, now())->pause_override.enqueue);

  ASSERT_TRUE(engine_->resume(kMail, now(), book_));

  EXPECT_TRUE(engine_->queue(kMail, now())->paused.enqueue) << "the spec's stays";
  EXPECT_FALSE(engine_->queue(kMail, now())->paused.dispatch);
}

TEST_F(QueueTest, SignalsComeAtOnceWhenAQueueLeavesEmptyAndThenPaced) {
  engine_->want_signals(true, true);
  EXPECT_EQ(effects().signals.size(), 1u) << "everything first";
  clock_.advance(1s);

  enqueue();
  ASSERT_EQ(effects().signals.size(), 1u);
  enqueue();
  EXPECT_TRUE(effects().signals.empty());
  EXPECT_EQ(engine_->until_next(now()), Duration{100ms});

  clock_.advance(100ms);
  const Effects later = effects();
  ASSERT_EQ(later.signals.size(), 1u);
  EXPECT_EQ(later.signals[0].figures.ready, 2);
}

TEST_F(QueueTest, FiguresTellOfWaitingRunningAndPast) {
  enqueue();
  clock_.advance(10s);
  enqueue();
  const JobId first = claimed(1).at(0);
  clock_.advance(4s);
  EXPECT_EQ(figures().oldest_ready_time, now().wall - 4s);
  EXPECT_NEAR(figures().running_elapsed_seconds, 4, 1e-6);

  ASSERT_TRUE(settle(first, book_.claims.begin()->first, Outcome::kSucceeded));

  EXPECT_NEAR(figures().mean_slot_seconds, 4, 1e-6);
  EXPECT_EQ(figures().finished_recently, 1);
  EXPECT_GT(figures().enqueued_per_second, 0.02);
  EXPECT_EQ(figures().bytes, 2);
  clock_.advance(11min);
  EXPECT_EQ(figures().finished_recently, 0);
}

}  // namespace
}  // namespace sluice::broker::testing
