#include "broker/engine/start_throttle.h"

#include <algorithm>
#include <cmath>

namespace sluice::broker {
namespace {

Duration interval_of(double per_second) {
  return std::chrono::ceil<Duration>(std::chrono::duration<double>(1 / per_second));
}

}  // namespace

void StartThrottle::slow_down(double started_per_second, std::optional<Duration> retry_after,
                              SteadyPoint now) {
  const bool was_slowing = is_slowing(now);
  if (!was_slowing || halved_at_ + kHalvedEvery <= now) {
    const double before =
        was_slowing ? per_second(now) : std::max(started_per_second, 2 * kPerSecondMin);
    if (!was_slowing) {
      usual_per_second_ = before;
      next_ = now;
      held_until_ = now;
    }
    slowest_per_second_ = std::max(before / 2, kPerSecondMin);
    halved_at_ = now;
  }
  if (retry_after) held_until_ = std::max(held_until_, now + std::min(*retry_after, kHoldMax));
}

bool StartThrottle::is_slowing(SteadyPoint now) const {
  return usual_per_second_ > 0 && (now < held_until_ || per_second(now) < usual_per_second_);
}

double StartThrottle::per_second(SteadyPoint now) const {
  const Duration recovering = std::max(now - std::max(halved_at_, held_until_), Duration::zero());
  const double doublings = to_seconds(recovering) / to_seconds(kDoublesEvery);
  return std::min(usual_per_second_, slowest_per_second_ * std::exp2(doublings));
}

SteadyPoint StartThrottle::due(SteadyPoint now) const {
  return std::max({next_, held_until_, now - kCreditMax});
}

SteadyPoint StartThrottle::next(SteadyPoint now) const {
  return std::max(due(now), now);
}

std::int64_t StartThrottle::starts_within(Duration span, SteadyPoint now) const {
  const Duration time = now + span - due(now);
  if (time < Duration::zero()) return 0;
  return 1 + static_cast<std::int64_t>(to_seconds(time) * per_second(now));
}

void StartThrottle::take(SteadyPoint now) {
  next_ = due(now) + interval_of(per_second(now));
}

}  // namespace sluice::broker
