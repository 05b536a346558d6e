// Slows a queue's starts while its handlers answer 429 or 503.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/clock.h"

namespace sluice::broker {

// The rate of starts is halved, at most once a second, and doubles again every 30 seconds until it
// is what it was. A Retry-After stops all starts for that long first.
class StartThrottle {
 public:
  static constexpr double kPerSecondMin = 0.1;
  static constexpr Duration kHalvedEvery = std::chrono::seconds{1};
  static constexpr Duration kDoublesEvery = std::chrono::seconds{30};
  static constexpr Duration kHoldMax = std::chrono::minutes{10};
  // What was not started in time is made up for, this much of it.
  static constexpr Duration kCreditMax = std::chrono::milliseconds{100};

  // A handler said so; `started_per_second` is how fast jobs were started lately.
  void slow_down(double started_per_second, std::optional<Duration> retry_after, SteadyPoint now);
  // False from the time on that the rate is what it was.
  bool is_slowing(SteadyPoint now) const;

  // These require: it is slowing.
  double per_second(SteadyPoint now) const;
  // When the next job may start; not before `now`.
  SteadyPoint next(SteadyPoint now) const;
  // Starts that are due within `span`.
  std::int64_t starts_within(Duration span, SteadyPoint now) const;
  void take(SteadyPoint now);

 private:
  SteadyPoint due(SteadyPoint now) const;

  double usual_per_second_ = 0;  // 0: nobody ever said so
  double slowest_per_second_ = 0;
  SteadyPoint halved_at_{};
  SteadyPoint held_until_{};
  SteadyPoint next_{};
};

}  // namespace sluice::broker
