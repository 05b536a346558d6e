#include "cli/retry.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

using namespace std::chrono_literals;

const SteadyPoint kStart{1'000s};

Answer unreachable() {
  return {.error = {ErrorCode::kUnavailable, "connection refused"}};
}
Answer refused(int status) {
  return {.status = status, .error = {ErrorCode::kInternal, "no"}};
}

TEST(IsRetryable, OnlyWhenNobodyAnsweredOrNotNow) {
  struct Case {
    const char* name;
    Answer answer;
    bool want;
  };
  const Case cases[] = {
      {"no connection", unreachable(), true},
      {"time is up", {.error = {ErrorCode::kDeadlineExceeded, ""}}, true},
      {"a reply that is too large", {.error = {ErrorCode::kTooLarge, ""}}, false},
      {"bad request", refused(400), false},
      {"no such queue", refused(404), false},
      {"conflict", refused(409), false},
      {"queue full", refused(429), true},
      {"draining", refused(503), true},
      {"disk full", refused(507), false},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(is_retryable(c.answer), c.want);
  }
}

TEST(RetrySchedule, WaitsLongerEachTimeWithinBounds) {
  RetrySchedule retry({.first_wait = 200ms, .wait_max = 1s, .give_up_after = 1h}, 7);
  retry.succeeded();

  for (const Duration full : {200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    const auto wait = retry.next(unreachable(), kStart);
    ASSERT_TRUE(wait);
    EXPECT_GE(*wait, full / 2);
    EXPECT_LE(*wait, full);
  }
}

TEST(RetrySchedule, NeverComesBackBeforeRetryAfter) {
  RetrySchedule retry({}, 7);
  Answer full = refused(429);
  full.retry_after = 7s;

  const auto wait = retry.next(full, kStart);

  ASSERT_TRUE(wait);
  EXPECT_GE(*wait, 7s);
}

TEST(RetrySchedule, GivesUpSoonWhereNobodyEverAnswered) {
  RetrySchedule retry({.first_contact = 5s}, 7);

  EXPECT_TRUE(retry.next(unreachable(), kStart));
  EXPECT_FALSE(retry.next(unreachable(), kStart + 5s));
}

TEST(RetrySchedule, SuccessRenewsThePatience) {
  RetrySchedule retry({.give_up_after = 60s}, 7);
  retry.succeeded();
  ASSERT_TRUE(retry.next(unreachable(), kStart));
  ASSERT_TRUE(retry.next(unreachable(), kStart + 50s));

  retry.succeeded();

  EXPECT_TRUE(retry.next(unreachable(), kStart + 100s));
  EXPECT_FALSE(retry.next(unreachable(), kStart + 160s));
}

}  // namespace
}  // namespace sluice::cli
