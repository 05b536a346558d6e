#include "broker/engine/retry.h"

#include <algorithm>
#include <string>

namespace sluice::broker {
namespace {

using Fate = FailureVerdict::Fate;

template <typename T>
bool contains(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool rule_matches(const api::RetryRule& rule, const api::RunError& error) {
  if (error.exit_code && contains(rule.exit_codes, *error.exit_code)) return true;
  if (error.http_status && contains(rule.http_statuses, *error.http_status)) return true;
  return contains(rule.reasons, error.reason);
}

bool is_final_exit_code(int code) {
  return code == 65 || code == 66;
}  // EX_DATAERR, EX_NOINPUT

bool is_final_http_status(int status) {
  return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
}

}  // namespace

std::uint64_t Jitter::up_to(std::uint64_t bound) {
  state_ += 0x9E3779B97F4A7C15ull;
  std::uint64_t x = state_;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  x ^= x >> 31;
  return bound == ~0ull ? x : x % (bound + 1);
}

FailureVerdict judge_failure(const api::RetryPolicy& policy, const api::RunError& error,
                             int attempts, int ignored) {
  if (error.retry_never) return {Fate::kDead};

  const FailureVerdict retry_while_attempts_remain{
      attempts + 1 < policy.max_attempts ? Fate::kRetry : Fate::kDead};
  for (const api::RetryRule& rule : policy.rules) {
    if (!rule_matches(rule, error)) continue;
    switch (rule.action) {
      case api::RetryAction::kDead:
        return {Fate::kDead};
      case api::RetryAction::kRetry:
        return retry_while_attempts_remain;
      case api::RetryAction::kIgnore:
        return {ignored + 1 < kIgnoredMax ? Fate::kRetry : Fate::kDead, false};
    }
  }
  if (error.exit_code && is_final_exit_code(*error.exit_code)) return {Fate::kDead};
  if (error.http_status && is_final_http_status(*error.http_status)) return {Fate::kDead};
  return retry_while_attempts_remain;
}

Duration backoff_delay(const api::Backoff& backoff, int failures, Jitter& jitter) {
  const double ceiling = backoff.max_seconds;
  double seconds = backoff.initial_seconds;
  for (int i = 1; i < failures && seconds < ceiling; ++i) seconds *= backoff.multiplier;
  const Duration longest = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, ceiling)));
  return Duration{
      static_cast<Duration::rep>(jitter.up_to(static_cast<std::uint64_t>(longest.count())))};
}

}  // namespace sluice::broker
