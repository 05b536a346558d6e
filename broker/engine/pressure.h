// Back-pressure: whether a queue takes jobs, asks its producers to slow down, or refuses them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/api/job_protocol.h"
#include "common/api/resources.h"
#include "common/base/clock.h"

namespace sluice::broker {

// What a queue holds, as the thresholds of `backpressure` measure it.
struct Load {
  std::int64_t backlog = 0;            // ready, blocked or backing off; not what producers delayed
  std::optional<Duration> oldest_age;  // since the oldest ready job became Ready
  std::int64_t bytes = 0;              // of all payloads, delayed jobs included
};

// At or above a threshold of `reject`, then until every figure is below resumePercent of its own;
// at or above one of `throttle`; or neither.
api::Pressure pressure_of(const api::Backpressure& limits, const Load& load, api::Pressure before);

// When the oldest job's age alone reaches the next threshold; absent: there is none ahead.
std::optional<Duration> until_age_matters(const api::Backpressure& limits, const Load& load);

// Whole seconds, at least 1, after which enough has drained for `level` to end. kRetryAfterUnknown
// when nothing drains, or when only time helps.
int retry_after_seconds(const api::Backpressure& limits, const Load& load, api::Pressure level,
                        double drained_per_second);

// Which threshold of `reject` is reached, or still holds: "the backlog is 12, the limit 10".
std::string describe_rejection(const api::Backpressure& limits, const Load& load);

inline constexpr int kRetryAfterUnknown = 30;
inline constexpr int kRetryAfterSecondsMax = 600;

}  // namespace sluice::broker
