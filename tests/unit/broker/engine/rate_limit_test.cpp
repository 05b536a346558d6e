#include "broker/engine/rate_limit.h"

#include <rapidcheck/gtest.h>

#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

constexpr SteadyPoint kStart{1'000s};

TEST(TokenBucket, FillsAtItsRateUpToItsBurst) {
  TokenBucket bucket({.limit = 2, .period_seconds = 1, .burst = 5}, TokenBucket::Level::kFull,
                     kStart);
  EXPECT_EQ(bucket.tokens(kStart), 5);

  bucket.take(5, kStart);

  EXPECT_EQ(bucket.tokens(kStart + 499'999us), 0);
  EXPECT_EQ(bucket.tokens(kStart + 500ms), 1);
  EXPECT_EQ(bucket.next(kStart), kStart + 500ms);
  EXPECT_EQ(bucket.next(kStart + 500ms), kStart + 500ms);
  EXPECT_EQ(bucket.tokens(kStart + 24h * 3650), 5);
}

TEST(TokenBucket, RoundsTheNextTokenUp) {
  TokenBucket bucket({.limit = 3, .period_seconds = 1, .burst = 1}, TokenBucket::Level::kEmpty,
                     kStart);

  EXPECT_EQ(bucket.next(kStart), kStart + 333'334us);
  EXPECT_EQ(bucket.tokens(kStart + 333'333us), 0);
  EXPECT_EQ(bucket.tokens(kStart + 333'334us), 1);
}

TEST(TokenBucket, KeepsWhatFitsWhenItsNumbersChange) {
  TokenBucket bucket({.limit = 10, .period_seconds = 1, .burst = 10}, TokenBucket::Level::kFull,
                     kStart);

  bucket.change({.limit = 1, .period_seconds = 3'600, .burst = 4}, kStart);
  EXPECT_EQ(bucket.tokens(kStart), 4);
  bucket.change({.limit = 1, .period_seconds = 1, .burst = 100}, kStart);
  EXPECT_EQ(bucket.tokens(kStart), 4);
}

TEST(TokenBucket, BoundsOfTheFieldsDoNotOverflow) {
  TokenBucket bucket({.limit = 1'000'000, .period_seconds = 86'400, .burst = 1'000'000},
                     TokenBucket::Level::kFull, kStart);
  bucket.take(1'000'000, kStart);

  EXPECT_EQ(bucket.tokens(kStart + 24h), 1'000'000);
  EXPECT_EQ(bucket.tokens_within(24h, kStart), 1'000'000);
}

// Greedy takers at random times: in any window at most burst + limit * t / period.
RC_GTEST_PROP(TokenBucket, HoldsItsBoundInAnyWindow, ()) {
  const api::RateLimit limit{.limit = *rc::gen::inRange(1, 20),
                             .period_seconds = *rc::gen::inRange(1, 10),
                             .burst = *rc::gen::inRange(1, 30)};
  TokenBucket bucket(limit, TokenBucket::Level::kFull, kStart);
  std::vector<std::pair<SteadyPoint, std::int64_t>> taken;
  SteadyPoint now = kStart;
  const auto waits = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 2'000'000));
  for (const int wait : waits) {
    now += Duration{wait};
    const std::int64_t all = bucket.tokens(now);
    if (all == 0) continue;
    bucket.take(all, now);
    taken.emplace_back(now, all);
  }

  for (std::size_t first = 0; first < taken.size(); ++first) {
    std::int64_t sum = 0;
    for (std::size_t last = first; last < taken.size(); ++last) {
      sum += taken[last].second;
      const Duration t = taken[last].first - taken[first].first;
      // sum <= burst + limit * t / period, without division
      RC_ASSERT((sum - limit.burst) * limit.period_seconds * 1'000'000 <= limit.limit * t.count());
    }
  }
}

class RateLimitTest : public EngineTest {
 protected:
  void limit(int limit, int period_seconds, int burst) {
    api::QueueSpec spec;
    spec.rate_limit = api::RateLimit{limit, period_seconds, burst};
    configure(spec);
    effects();
  }
  void enqueue_many(int count) {
    for (int i = 0; i < count; ++i) enqueue();
  }
};

TEST_F(RateLimitTest, IsFullWhenFirstConfiguredAndThenPaces) {
  limit(1, 10, 3);
  enqueue_many(10);

  EXPECT_EQ(claimed().size(), 3u);
  EXPECT_EQ(claimed().size(), 0u);
  advance(9'999ms);
  EXPECT_EQ(claimed().size(), 0u);
  advance(1ms);
  EXPECT_EQ(claimed().size(), 1u);
}

TEST_F(RateLimitTest, IsEmptyAfterARestart) {
  limit(1, 10, 3);
  enqueue_many(10);

  restart();

  EXPECT_EQ(claimed().size(), 0u);
  advance(10s);
  EXPECT_EQ(claimed().size(), 1u);
}

TEST_F(RateLimitTest, AReleasedJobSpendsAnotherToken) {
  limit(1, 10, 2);
  enqueue();
  const ClaimGrant grant = claim();
  ASSERT_TRUE(settle(grant.jobs.at(0).id, grant.claim, Outcome::kReleased));
  EXPECT_EQ(claimed().size(), 1u);
  enqueue();
  EXPECT_EQ(claimed().size(), 0u);
}

TEST_F(RateLimitTest, AWaitingClaimIsWokenWhenTheTokenComes) {
  limit(1, 10, 1);
  enqueue_many(2);
  ASSERT_EQ(claimed().size(), 1u);
  ASSERT_EQ(claim("waiting").jobs.size(), 0u);
  engine_->wait_for_claim(1, request("waiting"));
  effects();

  clock_.advance(9s);
  while (engine_->advance(now(), book_)) {
  }
  EXPECT_TRUE(effects().claims.empty());
  EXPECT_EQ(engine_->until_next(now()), Duration{1s});
  advance(1s);
  const Effects woken = effects();

  ASSERT_EQ(woken.claims.size(), 1u);
  EXPECT_EQ(woken.claims[0].grant->jobs.size(), 1u);
}

TEST_F(RateLimitTest, DispatchableIsWhatMayStartSoon) {
  api::QueueSpec spec;
  spec.rate_limit = api::RateLimit{.limit = 2, .period_seconds = 1, .burst = 5};
  spec.due_soon_seconds = 10;
  configure(spec);
  enqueue_many(100);
  EXPECT_EQ(figures().dispatchable, 25);  // 5 now, 20 within ten seconds

  claimed();

  EXPECT_EQ(figures().dispatchable, 20);
  EXPECT_EQ(figures().ready, 95);
}

TEST_F(RateLimitTest, EndsWithTheSetting) {
  limit(1, 10, 1);
  enqueue_many(5);
  ASSERT_EQ(claimed().size(), 1u);

  configure({});

  EXPECT_EQ(claimed().size(), 4u);
}

}  // namespace
}  // namespace sluice::broker::testing
