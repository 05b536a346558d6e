#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

class RescheduleTest : public EngineTest {
 protected:
  Result<JobView> reschedule(JobId id, TimePoint due_at) {
    return engine_->reschedule(kMail, id, due_at, now(), book_);
  }
  ErrorCode refusal(JobId id) {
    const auto view = reschedule(id, now().wall);
    EXPECT_FALSE(view);
    return view ? ErrorCode::kInternal : view.error().code;
  }
};

TEST_F(RescheduleTest, AScheduledJobRunsNow) {
  const JobId id = enqueue({.delay = 1h});

  const auto view = reschedule(id, now().wall);

  ASSERT_TRUE(view);
  EXPECT_EQ(view->state, JobState::kReady);
  EXPECT_EQ(claimed(), std::vector{id});
}

TEST_F(RescheduleTest, ABackingOffJobRunsNowAndKeepsItsAttempts) {
  const JobId id = enqueue();
  fail_next(exit_code(1), 100);

  ASSERT_TRUE(reschedule(id, now().wall));
  restart();

  EXPECT_EQ(view(id).record.attempts, 1u);
  EXPECT_EQ(figures().backlog, 1);
  EXPECT_EQ(claim().jobs.at(0).attempt, 2);
}

TEST_F(RescheduleTest, AReadyJobWaitsForItsNewTime) {
  const JobId id = enqueue();

  ASSERT_TRUE(reschedule(id, now().wall + 1h));
  restart();

  EXPECT_EQ(state(id), JobState::kScheduled);
  advance(1h - 1us);
  EXPECT_EQ(state(id), JobState::kScheduled);
  advance(1us);
  EXPECT_EQ(state(id), JobState::kReady);
}

TEST_F(RescheduleTest, AReadyJobKeepsItsPlace) {
  const JobId first = enqueue();
  advance(1s);
  const JobId second = enqueue();

  ASSERT_TRUE(reschedule(first, now().wall));

  EXPECT_EQ(claimed(), (std::vector{first, second}));
}

TEST_F(RescheduleTest, ItsExpiryStays) {
  const JobId id = enqueue({.expires_at = now().wall + 60s});

  ASSERT_TRUE(reschedule(id, now().wall + 1h));
  advance(60s);

  EXPECT_EQ(state(id), JobState::kDead);
  EXPECT_EQ(view(id).extras.error->reason, "Expired");
}

TEST_F(RescheduleTest, WhatDoesNotWaitIsRefused) {
  const JobId running = enqueue();
  claim();
  EXPECT_EQ(refusal(running), ErrorCode::kConflict);

  const JobId dead = enqueue();
  fail_next(exit_code(65));
  EXPECT_EQ(refusal(dead), ErrorCode::kConflict);
  EXPECT_EQ(refusal(Uuid{9, 9}), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::broker::testing
