// What becomes of a failed run.
#pragma once

#include <cstdint>
#include <optional>

#include "common/api/job_protocol.h"
#include "common/api/resources.h"
#include "common/base/clock.h"

namespace sluice::broker {

// A small seeded source of jitter (splitmix64). Not for secrets.
class Jitter {
 public:
  explicit Jitter(std::uint64_t seed) : state_(seed) {}
  // Uniform in [0, bound].
  std::uint64_t up_to(std::uint64_t bound);

 private:
  std::uint64_t state_;
};

inline constexpr int kIgnoredMax = 100;  // an Ignore beyond this many dies

struct FailureVerdict {
  enum class Fate { kRetry, kDead } fate = Fate::kDead;
  bool spends_attempt = true;
};

// Decided in this order: `retry: Never`; the user's rules, first match wins; the built-in rules
// (exit 65 and 66, HTTP 4xx but 408, 425 and 429); retry while attempts remain. `attempts` and
// `ignored` are from before this failure. A cancel request is the caller's to look at first.
FailureVerdict judge_failure(const api::RetryPolicy& policy, const api::RunError& error,
                             int attempts, int ignored);

// Exponential with full jitter: uniform in [0, min(maxSeconds, initialSeconds *
// multiplier^(failures-1))].
Duration backoff_delay(const api::Backoff& backoff, int failures, Jitter& jitter);

}  // namespace sluice::broker
