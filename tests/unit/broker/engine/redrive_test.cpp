#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

class RedriveTest : public EngineTest {
 protected:
  // Jobs that died one after another.
  std::vector<JobId> make_dead(int count, const api::RunError& error = exit_code(65)) {
    std::vector<JobId> ids;
    for (int i = 0; i < count; ++i) {
      ids.push_back(enqueue());
      fail_next(error);
      clock_.advance(1ms);
    }
    return ids;
  }

  RedriveRecord redrive(DeadFilter filter = {}, int per_second = 1'000) {
    auto task = engine_->redrive(kMail, std::move(filter), per_second, now(), book_);
    EXPECT_TRUE(task);
    return task ? *std::move(task) : RedriveRecord{};
  }
  RedriveRecord task(Uuid id) const {
    auto found = engine_->find_redrive(kMail, id);
    EXPECT_TRUE(found);
    return found ? *std::move(found) : RedriveRecord{};
  }
};

// SURVIVAL 24
TEST_F(RedriveTest, ResetsTheCountersAndKeepsTheHistory) {
  const JobId id = make_dead(1)[0];

  const RedriveRecord done = redrive();

  EXPECT_EQ(done.selected, 1u);
  EXPECT_EQ(done.redriven, 1u);
  EXPECT_EQ(done.state, RedriveState::kDone);
  EXPECT_EQ(state(id), JobState::kReady);
  EXPECT_EQ(view(id).record.attempts, 0u);
  EXPECT_EQ(view(id).extras.history.size(), 1u);
  EXPECT_EQ(claimed(), std::vector{id});
}

TEST_F(RedriveTest, TakesExpiresAtAway) {
  NewJob job;
  job.expires_at = now().wall + 10s;
  const JobId id = enqueue(job);
  advance(10s);
  ASSERT_EQ(view(id).extras.error->reason, "Expired");

  ASSERT_EQ(redrive().redriven, 1u);

  restart();
  advance(1h);
  EXPECT_FALSE(view(id).extras.expires_at);
  EXPECT_EQ(claimed(), std::vector{id});
}

TEST_F(RedriveTest, ObeysItsFilterAsPurgeDoes) {
  const JobId data = make_dead(1)[0];
  advance(1s);
  api::RunError gone = exit_code(66);
  gone.reason = "Gone";
  const JobId other = make_dead(1, gone)[0];
  DeadFilter by_reason, by_time, by_id;
  by_reason.reason = "Gone";
  by_time.died_before = now().wall - 100ms;
  by_id.ids = std::vector{data, data, Uuid{9, 9}};

  EXPECT_EQ(redrive(by_reason).redriven, 1u);
  EXPECT_EQ(state(other), JobState::kReady);
  EXPECT_EQ(redrive(by_time).redriven, 1u);
  EXPECT_EQ(state(data), JobState::kReady);
  fail_next(exit_code(65));
  fail_next(exit_code(65));
  EXPECT_EQ(*engine_->purge_dead(kMail, by_id, now(), book_), 1u);
  EXPECT_EQ(figures().dead, 1);
}

// SURVIVAL 24
TEST_F(RedriveTest, IsPacedAndTakesTheOldestFirst) {
  const std::vector<JobId> ids = make_dead(30);

  const RedriveRecord started = redrive({}, 100);

  EXPECT_EQ(started.selected, 30u);
  EXPECT_EQ(started.redriven, 10u);
  EXPECT_EQ(*engine_->until_next(now()), 100ms);
  EXPECT_EQ(claimed(), std::vector(ids.begin(), ids.begin() + 10));
  advance(100ms);
  EXPECT_EQ(task(started.id).redriven, 20u);
  advance(100ms);
  EXPECT_EQ(task(started.id).redriven, 30u);
  EXPECT_EQ(task(started.id).state, RedriveState::kDone);
  EXPECT_EQ(task(started.id).finished_at, now().wall);
  EXPECT_EQ(figures().dead, 0);
}

TEST_F(RedriveTest, OnePerSecondIsOnePerSecond) {
  make_dead(3);

  const Uuid id = redrive({}, 1).id;

  EXPECT_EQ(task(id).redriven, 1u);
  advance(999ms);
  EXPECT_EQ(task(id).redriven, 1u);
  advance(1ms);
  EXPECT_EQ(task(id).redriven, 2u);
}

TEST_F(RedriveTest, IsCappedByItsMaximum) {
  const std::vector<JobId> ids = make_dead(5);
  DeadFilter filter;
  filter.max = 2;

  const RedriveRecord done = redrive(filter);

  EXPECT_EQ(done.selected, 2u);
  EXPECT_EQ(done.redriven, 2u);
  EXPECT_EQ(claimed(), std::vector(ids.begin(), ids.begin() + 2));
}

// A job that dies again on its way is not moved for ever.
TEST_F(RedriveTest, LeavesAloneWhatDiesAfterItWasAskedFor) {
  make_dead(20);
  const Uuid id = redrive({}, 100).id;
  while (figures().ready > 0) fail_next(exit_code(65));
  const JobId later = make_dead(1)[0];

  advance(1s);

  EXPECT_EQ(task(id).redriven, 20u);
  EXPECT_EQ(state(later), JobState::kDead);
  EXPECT_EQ(figures().dead, 11);
}

TEST_F(RedriveTest, SaysThatSomeWereGone) {
  const std::vector<JobId> ids = make_dead(20);
  const Uuid id = redrive({}, 100).id;
  DeadFilter last;
  last.ids = std::vector{ids.back()};
  ASSERT_EQ(*engine_->purge_dead(kMail, last, now(), book_), 1u);

  advance(1s);

  EXPECT_EQ(task(id).state, RedriveState::kDone);
  EXPECT_EQ(task(id).selected, 20u);
  EXPECT_EQ(task(id).redriven, 19u);
}

TEST_F(RedriveTest, GoesOnAfterARestartWhereItWas) {
  for (const bool by_id : {false, true}) {
    SCOPED_TRACE(by_id);
    DeadFilter filter;
    const std::vector<JobId> ids = make_dead(30);
    if (by_id) filter.ids = ids;
    const Uuid id = redrive(filter, 100).id;
    while (figures().ready > 0) fail_next(exit_code(65));  // they die again: not meant any more
    restart();

    for (int slice = 0; slice < 10; ++slice) advance(100ms);

    EXPECT_EQ(task(id).state, RedriveState::kDone);
    EXPECT_EQ(task(id).redriven, 30u);
    EXPECT_EQ(figures().ready, 20);
    EXPECT_EQ(figures().dead, 10);
    ASSERT_EQ(*engine_->purge_dead(kMail, {}, now(), book_), 10u);
    for (const JobId& job : claimed()) ASSERT_TRUE(engine_->cancel(kMail, job, now(), book_));
    restart();
    advance(10min);
  }
}

TEST_F(RedriveTest, CanBeStopped) {
  make_dead(20);
  const Uuid id = redrive({}, 100).id;

  ASSERT_TRUE(engine_->cancel_redrive(kMail, id, now(), book_));
  advance(1s);
  restart();
  advance(1s);

  EXPECT_EQ(task(id).state, RedriveState::kCancelled);
  EXPECT_EQ(task(id).redriven, 10u);
  EXPECT_EQ(figures().dead, 10);
}

TEST_F(RedriveTest, DoneOnesMakeRoomAndRunningOnesDoNot) {
  make_dead(2);
  const Uuid slow = redrive({}, 1).id;
  const Uuid first_done = redrive({}, 1'000).id;
  for (std::size_t i = 2; i < kRedrivesMax; ++i) redrive();

  redrive();

  EXPECT_FALSE(engine_->find_redrive(kMail, first_done));
  EXPECT_EQ(task(slow).redriven, 1u);
  EXPECT_EQ(book_.redrives.size(), kRedrivesMax);
}

TEST_F(RedriveTest, GoesWithItsQueue) {
  make_dead(20);
  redrive({}, 100);

  ASSERT_TRUE(engine_->delete_queue({kMail, {}, JobsPolicy::kPurge}, now(), book_));

  EXPECT_TRUE(book_.redrives.empty());
  EXPECT_FALSE(engine_->advance(now() + 1h, book_));
}

}  // namespace
}  // namespace sluice::broker::testing
