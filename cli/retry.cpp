#include "cli/retry.h"

#include <algorithm>

namespace sluice::cli {
namespace {

constexpr int kDoublingsMax = 10;

}  // namespace

bool is_retryable(const Answer& answer) {
  switch (answer.status) {
    case 0:
      return answer.error.code == ErrorCode::kUnavailable ||
             answer.error.code == ErrorCode::kDeadlineExceeded;
    case 429:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

std::optional<Duration> RetrySchedule::next(const Answer& answer, SteadyPoint now) {
  if (!answer.is_unreachable()) heard_ = true;
  if (!is_retryable(answer)) return std::nullopt;

  if (failures_++ == 0) first_failure_ = now;
  const Duration backoff = std::min(
      limits_.wait_max, limits_.first_wait * (1 << std::min(failures_ - 1, kDoublingsMax)));
  // Half fixed, half jitter: clients that failed together do not come back together.
  Duration wait = backoff / 2 + Duration{std::uniform_int_distribution<Duration::rep>(
                                    0, (backoff / 2).count())(random_)};
  if (answer.retry_after) wait += *answer.retry_after;

  const Duration patience = heard_ ? limits_.give_up_after : limits_.first_contact;
  if (now + wait > first_failure_ + patience) return std::nullopt;
  return wait;
}

void RetrySchedule::succeeded() {
  heard_ = true;
  failures_ = 0;
}

}  // namespace sluice::cli
