#include "broker/engine/start_throttle.h"

#include <rapidcheck/gtest.h>

#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

constexpr SteadyPoint kStart{10'000s};

TEST(StartThrottle, HalvesThenRecovers) {
  StartThrottle throttle;
  EXPECT_FALSE(throttle.is_slowing(kStart));

  throttle.slow_down(100, std::nullopt, kStart);

  EXPECT_DOUBLE_EQ(throttle.per_second(kStart), 50);
  EXPECT_TRUE(throttle.is_slowing(kStart + 29s));
  EXPECT_FALSE(throttle.is_slowing(kStart + 30s));
}

TEST(StartThrottle, HalvesAgainAfterASecondAndTakesLongerToRecover) {
  StartThrottle throttle;
  throttle.slow_down(100, std::nullopt, kStart);
  throttle.slow_down(100, std::nullopt, kStart + 999ms);  // of the same wave
  EXPECT_NEAR(throttle.per_second(kStart + 1s), 50, 2);

  throttle.slow_down(100, std::nullopt, kStart + 1s);

  EXPECT_NEAR(throttle.per_second(kStart + 1s), 25, 1);
  EXPECT_TRUE(throttle.is_slowing(kStart + 50s));
  EXPECT_FALSE(throttle.is_slowing(kStart + 61s));
}

TEST(StartThrottle, RetryAfterHoldsEverythingThatLong) {
  StartThrottle throttle;
  throttle.slow_down(10, Duration{7s}, kStart);

  EXPECT_EQ(throttle.next(kStart), kStart + 7s);
  EXPECT_EQ(throttle.starts_within(Duration::zero(), kStart + 6s), 0);
  EXPECT_EQ(throttle.starts_within(Duration::zero(), kStart + 7s), 1);
  EXPECT_DOUBLE_EQ(throttle.per_second(kStart + 7s), 5);  // it recovers from then on
}

TEST(StartThrottle, SomethingIsAlwaysTried) {
  StartThrottle throttle;
  for (int i = 0; i < 20; ++i) throttle.slow_down(1, Duration{3h}, kStart + i * 2s);

  const SteadyPoint next = throttle.next(kStart + 40s);
  EXPECT_LE(next, kStart + 40s + StartThrottle::kHoldMax);
  throttle.take(next);
  EXPECT_LE(throttle.next(next), next + 10s);
}

// Greedy starts in any second: its rate, and what the credit makes up for.
RC_GTEST_PROP(StartThrottle, StartsAtItsRateWhoeverAsks, ()) {
  const double usual = *rc::gen::inRange(2, 500);
  StartThrottle throttle;
  throttle.slow_down(usual, std::nullopt, kStart);
  const auto waits = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 50'000));
  SteadyPoint now = kStart;
  std::vector<SteadyPoint> starts;
  for (const int wait : waits) {
    now += Duration{wait};
    if (!throttle.is_slowing(now)) break;
    while (throttle.starts_within(Duration::zero(), now) > 0) {
      throttle.take(now);
      starts.push_back(now);
    }
  }

  for (std::size_t first = 0; first < starts.size(); ++first) {
    const double seconds = to_seconds(starts.back() - starts[first]) + 0.1;
    const auto count = static_cast<double>(starts.size() - first);
    RC_ASSERT(count <= 1 + seconds * throttle.per_second(starts.back()) + 1e-6);
  }
}

class StartThrottleTest : public EngineTest {
 protected:
  static api::RunError http_status(int status) {
    api::RunError error;
    error.reason = "HttpStatus";
    error.http_status = status;
    return error;
  }
  // Twenty jobs start within ten seconds, so two a second; one of them is answered so.
  void start_twenty_and_fail_one(int status, std::optional<int> retry_after = {}) {
    for (int i = 0; i < 40; ++i) enqueue();
    ClaimGrant last;
    for (int i = 0; i < 10; ++i) {
      last = claim("w", 2);
      if (i < 9) advance(1s);
    }
    ASSERT_TRUE(
        settle(last.jobs.at(0).id, last.claim, Outcome::kFailed, http_status(status), retry_after));
    effects();
  }
};

TEST_F(StartThrottleTest, AHandlersTooManyRequestsHalvesTheQueuesStarts) {
  start_twenty_and_fail_one(429);

  EXPECT_DOUBLE_EQ(figures().throttled_per_second.value_or(0), 1);
  EXPECT_EQ(claimed().size(), 1u);
  EXPECT_EQ(claimed().size(), 0u);
  advance(500ms);
  EXPECT_EQ(claimed().size(), 0u);
  advance(500ms);
  EXPECT_EQ(claimed().size(), 1u);
  advance(60s);
  EXPECT_FALSE(figures().throttled_per_second);
  EXPECT_GE(claimed().size(), 18u);
}

TEST_F(StartThrottleTest, HonoursRetryAfterForTheWholeQueue) {
  start_twenty_and_fail_one(503, 20);
  ASSERT_TRUE(claim("waiting").jobs.empty());
  engine_->wait_for_claim(1, request("waiting"));
  effects();

  advance(19s);
  EXPECT_TRUE(effects().claims.empty());
  advance(1s);

  EXPECT_EQ(effects().claims.size(), 1u);
}

TEST_F(StartThrottleTest, OtherFailuresDoNotSlowAnything) {
  start_twenty_and_fail_one(500);

  EXPECT_FALSE(figures().throttled_per_second);
  EXPECT_GE(claimed().size(), 20u);
}

}  // namespace
}  // namespace sluice::broker::testing
