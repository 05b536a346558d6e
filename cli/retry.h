// Whether a call is sent again, and when.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "cli/server_client.h"
#include "common/base/clock.h"

namespace sluice::cli {

struct RetryLimits {
  Duration first_wait = std::chrono::milliseconds{200};
  Duration wait_max = std::chrono::seconds{10};
  Duration give_up_after = std::chrono::seconds{60};  // without a good answer in between
  // As long as nothing was ever heard of the server: the address is probably wrong.
  Duration first_contact = std::chrono::seconds{5};
};

// No reply, or one that says "not now": 429, 502, 503 and 504.
bool is_retryable(const Answer& answer);

// The waits of one command. Exponential with jitter; a Retry-After is a lower bound.
//
// Time: reads no clock, callers pass `now`.
class RetrySchedule {
 public:
  RetrySchedule(RetryLimits limits, std::uint64_t seed) : limits_(limits), random_(seed) {}

  // How long to wait before the next try; absent when `answer` is final or the patience is over.
  std::optional<Duration> next(const Answer& answer, SteadyPoint now);

  // A good answer came: patience and backoff start anew.
  void succeeded();

 private:
  RetryLimits limits_;
  std::mt19937_64 random_;
  bool heard_ = false;  // any reply at all
  int failures_ = 0;    // since the last good answer
  SteadyPoint first_failure_{};
};

}  // namespace sluice::cli
