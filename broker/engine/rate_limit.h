// The token bucket of `rateLimit`.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/api/resources.h"
#include "common/base/clock.h"

namespace sluice::broker {

// Every start takes a token. In any t seconds at most burst + limit * t / periodSeconds are taken:
// exactly, for it counts in whole units, of which a token is as many as its period has microseconds
// and of which `limit` come each microsecond.
class TokenBucket {
 public:
  enum class Level { kFull, kEmpty };
  TokenBucket(const api::RateLimit& limit, Level level, SteadyPoint now) : limit_(limit), at_(now) {
    if (level == Level::kFull) units_ = capacity();
  }

  // Other numbers from now on; what is in it stays, as far as it fits.
  void change(const api::RateLimit& limit, SteadyPoint now) {
    const std::int64_t kept = tokens(now);
    limit_ = limit;
    at_ = now;
    units_ = std::min(kept * token(), capacity());
  }

  std::int64_t tokens(SteadyPoint now) const { return units(now) / token(); }
  // Requires: that many are in it.
  void take(std::int64_t count, SteadyPoint now) {
    units_ = units(now) - count * token();
    at_ = std::max(at_, now);
  }
  // When it holds one; not before `now`.
  SteadyPoint next(SteadyPoint now) const {
    const std::int64_t missing = token() - units(now);
    if (missing <= 0) return now;
    return now + Duration{(missing + limit_.limit - 1) / limit_.limit};
  }
  // Those that are there or come within `span`, if they are taken as they come.
  std::int64_t tokens_within(Duration span, SteadyPoint now) const {
    return (units(now) + span.count() * limit_.limit) / token();
  }

 private:
  std::int64_t token() const {
    return Duration{std::chrono::seconds{limit_.period_seconds}}.count();
  }
  std::int64_t capacity() const { return limit_.burst * token(); }
  std::int64_t units(SteadyPoint now) const {
    const std::int64_t fills_in = (capacity() - units_) / limit_.limit + 1;
    const std::int64_t passed = std::clamp<std::int64_t>((now - at_).count(), 0, fills_in);
    return std::min(capacity(), units_ + passed * limit_.limit);
  }

  api::RateLimit limit_;
  std::int64_t units_ = 0;  // at at_
  SteadyPoint at_;
};

}  // namespace sluice::broker
