#include "broker/engine/retry.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using Fate = FailureVerdict::Fate;

api::RunError failed(std::optional<int> exit_code, std::optional<int> http_status = {},
                     std::string reason = "ExitCode") {
  api::RunError error;
  error.reason = std::move(reason);
  error.exit_code = exit_code;
  error.http_status = http_status;
  return error;
}

TEST(JudgeFailure, FollowsTheOrderOfRules) {
  api::RetryPolicy policy;
  policy.max_attempts = 3;
  policy.rules = {
      {.exit_codes = {3}, .action = api::RetryAction::kDead},
      {.exit_codes = {65}, .action = api::RetryAction::kRetry},
      {.http_statuses = {503}, .action = api::RetryAction::kIgnore},
      {.reasons = {"OOMKilled"}, .action = api::RetryAction::kDead},
      {.exit_codes = {3}, .action = api::RetryAction::kIgnore},
  };
  struct Case {
    const char* name;
    api::RunError error;
    int attempts, ignored;
    Fate fate;
    bool spends;
  };
  const Case cases[] = {
      {"no rule, attempts remain", failed(1), 0, 0, Fate::kRetry, true},
      {"no rule, the last attempt", failed(1), 2, 0, Fate::kDead, true},
      {"first match wins", failed(3), 0, 0, Fate::kDead, true},
      {"a rule comes before the built-in ones", failed(65), 0, 0, Fate::kRetry, true},
      {"a rule's Retry still needs attempts", failed(65), 2, 0, Fate::kDead, true},
      {"built in: exit 66", failed(66), 0, 0, Fate::kDead, true},
      {"built in: 404", failed({}, 404), 0, 0, Fate::kDead, true},
      {"built in: 408", failed({}, 408), 0, 0, Fate::kRetry, true},
      {"built in: 425", failed({}, 425), 0, 0, Fate::kRetry, true},
      {"built in: 429", failed({}, 429), 0, 0, Fate::kRetry, true},
      {"500 retries", failed({}, 500), 0, 0, Fate::kRetry, true},
      {"ignored spends nothing", failed({}, 503), 2, 98, Fate::kRetry, false},
      {"ignored dies at 100", failed({}, 503), 0, 99, Fate::kDead, false},
      {"by reason", failed({}, {}, "OOMKilled"), 0, 0, Fate::kDead, true},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const FailureVerdict verdict = judge_failure(policy, c.error, c.attempts, c.ignored);
    EXPECT_EQ(verdict.fate, c.fate);
    EXPECT_EQ(verdict.spends_attempt, c.spends);
  }
}

TEST(JudgeFailure, NeverComesBeforeTheRules) {
  api::RetryPolicy policy;
  policy.rules = {{.exit_codes = {1}, .action = api::RetryAction::kRetry}};
  api::RunError error = failed(1);
  error.retry_never = true;

  EXPECT_EQ(judge_failure(policy, error, 0, 0).fate, Fate::kDead);
}

RC_GTEST_PROP(BackoffDelay, StaysWithinItsCeiling, (std::uint64_t seed)) {
  api::Backoff backoff;
  backoff.initial_seconds = *rc::gen::inRange(1, 1000);
  backoff.multiplier = *rc::gen::inRange(1, 20);
  backoff.max_seconds = *rc::gen::inRange(1, 100'000);
  const int failures = *rc::gen::inRange(1, 1000);
  Jitter jitter(seed);

  const Duration delay = backoff_delay(backoff, failures, jitter);

  RC_ASSERT(delay >= Duration::zero());
  RC_ASSERT(delay <= std::chrono::seconds{backoff.max_seconds});
}

TEST(BackoffDelay, IsSpreadOverTheWholeRange) {
  Jitter jitter(1);
  const api::Backoff backoff{.initial_seconds = 10, .multiplier = 2, .max_seconds = 40};
  Duration sum{}, longest{};

  for (int i = 0; i < 1000; ++i) {
    const Duration delay = backoff_delay(backoff, 2, jitter);
    sum += delay;
    longest = std::max(longest, delay);
  }

  EXPECT_GT(sum / 1000, 8s);
  EXPECT_LT(sum / 1000, 12s);
  EXPECT_GT(longest, 19s);
  EXPECT_LE(longest, 20s);
}

}  // namespace
}  // namespace sluice::broker
