#include "broker/engine/pressure.h"

#include <rapidcheck/gtest.h>

#include "broker/engine/rates.h"
#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

using api::Pressure;

api::Backpressure limits() {
  return {.throttle = {.backlog = 10, .oldest_seconds = 60, .bytes = 1'000},
          .reject = {.backlog = 20, .oldest_seconds = 120, .bytes = 2'000},
          .resume_percent = 80};
}

TEST(Pressure, FollowsTheHighestThresholdThatIsReached) {
  struct Case {
    const char* name;
    Load load;
    Pressure before;
    Pressure want;
  };
  const Case cases[] = {
      {"nothing", {}, Pressure::kNone, Pressure::kNone},
      {"below throttle", {9, {}, 999}, Pressure::kNone, Pressure::kNone},
      {"backlog at throttle", {10, {}, 0}, Pressure::kNone, Pressure::kThrottle},
      {"age at throttle", {1, Duration{60s}, 0}, Pressure::kNone, Pressure::kThrottle},
      {"age just below", {1, Duration{60s} - 1us, 0}, Pressure::kNone, Pressure::kNone},
      {"bytes at throttle", {0, {}, 1'000}, Pressure::kNone, Pressure::kThrottle},
      {"backlog at reject", {20, {}, 0}, Pressure::kThrottle, Pressure::kReject},
      {"age at reject", {1, Duration{120s}, 0}, Pressure::kNone, Pressure::kReject},
      {"bytes at reject", {1, {}, 2'000}, Pressure::kNone, Pressure::kReject},
      {"80% of reject still refuses", {16, {}, 0}, Pressure::kReject, Pressure::kReject},
      {"every figure has to be below",
       {15, Duration{96s}, 0},
       Pressure::kReject,
       Pressure::kReject},
      {"below 80% it warns again",
       {15, Duration{95s}, 1'599},
       Pressure::kReject,
       Pressure::kThrottle},
      {"or is well", {1, {}, 0}, Pressure::kReject, Pressure::kNone},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(pressure_of(limits(), c.load, c.before), c.want);
  }
}

TEST(Pressure, RetryAfterIsTheTimeToDrainWhatIsTooMuch) {
  struct Case {
    const char* name;
    Load load;
    Pressure level;
    double drained_per_second;
    int want;
  };
  const Case cases[] = {
      {"from 30 to 16, 2 a second", {30, {}, 0}, Pressure::kReject, 2, 7},
      {"from 30 to 10, 2 a second", {30, {}, 0}, Pressure::kThrottle, 2, 10},
      {"never less than a second", {20, {}, 0}, Pressure::kReject, 1'000, 1},
      {"at the threshold one job has to go", {10, {}, 0}, Pressure::kThrottle, 0.5, 2},
      {"half the bytes are half the backlog", {10, {}, 3'200}, Pressure::kReject, 1, 5},
      {"nothing drains", {30, {}, 0}, Pressure::kReject, 0, kRetryAfterUnknown},
      {"only delayed jobs", {0, {}, 5'000}, Pressure::kReject, 5, kRetryAfterUnknown},
      {"never longer than ten minutes",
       {1'000'000, {}, 0},
       Pressure::kReject,
       0.1,
       kRetryAfterSecondsMax},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(retry_after_seconds(limits(), c.load, c.level, c.drained_per_second), c.want);
  }
}

RC_GTEST_PROP(Pressure, RefusesFromTheThresholdUntilBelowResume, ()) {
  const auto loads = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 40));
  api::Backpressure only_reject;
  only_reject.reject.backlog = 20;
  only_reject.resume_percent = *rc::gen::inRange(1, 101);

  Pressure pressure = Pressure::kNone;
  bool refuses = false;
  for (const int backlog : loads) {
    if (backlog >= 20) refuses = true;
    if (backlog < 20 && backlog * 100 < 20 * only_reject.resume_percent) refuses = false;
    pressure = pressure_of(only_reject, {backlog, {}, 0}, pressure);
    RC_ASSERT((pressure == Pressure::kReject) == refuses);
  }
}

TEST(RecentRate, IsRightFromTheStartAndForgetsAfterTenSeconds) {
  RecentRate rate;
  const SteadyPoint start{1'000s};
  for (int i = 0; i < 20; ++i) rate.add(start + i * 100ms);

  EXPECT_DOUBLE_EQ(rate.per_second(start + 1900ms), 10);
  EXPECT_DOUBLE_EQ(rate.per_second(start + 9s), 2);
  EXPECT_DOUBLE_EQ(rate.per_second(start + 12s), 0);
}

class PressureTest : public EngineTest {
 protected:
  void limit(std::int64_t throttle, std::int64_t reject) {
    api::QueueSpec spec;
    spec.backpressure.emplace();
    spec.backpressure->throttle.backlog = throttle;
    spec.backpressure->reject.backlog = reject;
    configure(spec);
    effects();
  }
  // One enqueue as a step of its own.
  Result<Enqueued> step(NewJob job = {}) {
    Result<Enqueued> result = try_enqueue(std::move(job));
    effects();
    return result;
  }
  bool is_taken() { return static_cast<bool>(step()); }
  Pressure level() { return engine_->pressure(kMail, now()).level; }
};

TEST_F(PressureTest, WarnsThenRefusesThenTakesAgain) {
  limit(2, 5);

  EXPECT_TRUE(is_taken());
  EXPECT_EQ(level(), Pressure::kNone);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(is_taken());
  EXPECT_EQ(level(), Pressure::kReject);
  EXPECT_EQ(figures().pressure, Pressure::kReject);
  const auto refused = step();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kQueueFull);
  EXPECT_EQ(refused.error().message, "mail is full: the backlog is 5, the limit 5");

  claimed(1);
  effects();
  EXPECT_FALSE(is_taken());  // 4 is not below 80% of 5
  claimed(1);
  effects();
  EXPECT_TRUE(is_taken());
  EXPECT_EQ(level(), Pressure::kThrottle);
}

TEST_F(PressureTest, ABatchIsTakenWholeOrNotAtAll) {
  limit(2, 5);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(is_taken());

  for (int i = 0; i < 10; ++i) EXPECT_TRUE(try_enqueue());  // one step
  effects();

  for (int i = 0; i < 10; ++i) EXPECT_FALSE(try_enqueue());
}

TEST_F(PressureTest, WhatProducersDelayedCountsInBytesOnly) {
  api::QueueSpec spec;
  spec.backpressure.emplace();
  spec.backpressure->reject.backlog = 2;
  spec.backpressure->reject.bytes = 100;
  configure(spec);
  const auto delayed = [](std::size_t bytes) {
    NewJob job;
    job.payload = std::string(bytes, '1');
    job.delay = 1h;
    return job;
  };

  for (int i = 0; i < 3; ++i) EXPECT_TRUE(step(delayed(20)));
  EXPECT_EQ(level(), Pressure::kNone);
  EXPECT_TRUE(step(delayed(40)));
  EXPECT_EQ(step(delayed(1)).error().message,
            "mail is full: the payloads' size is 100 bytes, the limit 100 bytes");
}

TEST_F(PressureTest, RetriesThatBackOffCountInTheBacklog) {
  limit(1, 2);
  ASSERT_TRUE(is_taken());
  fail_next(exit_code(1), 60);
  effects();

  EXPECT_EQ(level(), Pressure::kThrottle);
}

TEST_F(PressureTest, AgeCountsFromBecomingReadyAndIsNoticedInTime) {
  api::QueueSpec spec;
  spec.backpressure.emplace();
  spec.backpressure->throttle.oldest_seconds = 60;
  configure(spec);
  NewJob delayed;
  delayed.delay = 100s;
  enqueue(std::move(delayed));
  advance(100s);
  effects();

  EXPECT_EQ(engine_->until_next(now()), Duration{60s});
  advance(59s);
  EXPECT_EQ(level(), Pressure::kNone);
  advance(1s);
  EXPECT_EQ(level(), Pressure::kThrottle);
}

TEST_F(PressureTest, ARepeatedKeyIsAnsweredThoughTheQueueIsFull) {
  limit(1, 1);
  NewJob job;
  job.idempotency = IdempotencyKey{{1}, {2}};
  const auto first = step(NewJob(job));
  ASSERT_TRUE(first);

  const auto again = step(NewJob(job));

  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, first->id);
  EXPECT_FALSE(is_taken());
}

TEST_F(PressureTest, RetryAfterComesFromWhatDrained) {
  limit(1, 100);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(is_taken());
  EXPECT_EQ(engine_->pressure(kMail, now()).retry_after_seconds, kRetryAfterUnknown);

  for (int second = 0; second < 10; ++second) {
    const ClaimGrant grant = claim("w", 2);
    for (const Granted& job : grant.jobs) {
      ASSERT_TRUE(settle(job.id, grant.claim, Outcome::kSucceeded));
    }
    advance(1s);
  }
  effects();

  // 20 are left; 19 of them at two a second (nine of the last ten seconds have two).
  EXPECT_EQ(engine_->pressure(kMail, now()).retry_after_seconds, 11);
}

TEST_F(PressureTest, EndsWithTheSettingAndReturnsAfterARestart) {
  limit(1, 1);
  ASSERT_TRUE(is_taken());
  restart();
  EXPECT_EQ(level(), Pressure::kReject);
  EXPECT_FALSE(is_taken());

  configure({});

  EXPECT_EQ(level(), Pressure::kNone);
  EXPECT_TRUE(is_taken());
}

}  // namespace
}  // namespace sluice::broker::testing
