// Figures over time: rates that fade, and the mean length of recent runs.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "common/base/clock.h"

namespace sluice::broker {

// Events per second as an exponential average with a time constant of 60 s.
class Rate {
 public:
  void add(double events, SteadyPoint now) {
    fade(now);
    value_ += events / kTimeConstantSeconds;
  }
  double per_second(SteadyPoint now) const {
    return value_ * std::exp(-to_seconds(now - last_) / kTimeConstantSeconds);
  }

 private:
  static constexpr double kTimeConstantSeconds = 60;

  void fade(SteadyPoint now) {
    if (now <= last_) return;
    value_ = per_second(now);
    last_ = now;
  }

  double value_ = 0;
  SteadyPoint last_{};
};

// Events per second over the last ten seconds, or since the first event when that is less: quick to
// follow a change, and right from the start.
class RecentRate {
 public:
  void add(SteadyPoint now) {
    const std::uint64_t at = second(now);
    if (first_ == 0) first_ = at;
    Bucket& bucket = buckets_[at % buckets_.size()];
    if (bucket.second != at) bucket = {at, 0};
    ++bucket.count;
  }
  double per_second(SteadyPoint now) const {
    std::int64_t count = 0;
    for (const Bucket& bucket : buckets_) {
      if (bucket.second + buckets_.size() > second(now)) count += bucket.count;
    }
    if (count == 0) return 0;
    const std::uint64_t seconds =
        std::min<std::uint64_t>(buckets_.size(), second(now) - first_ + 1);
    return static_cast<double>(count) / static_cast<double>(seconds);
  }

 private:
  struct Bucket {
    std::uint64_t second = 0;
    std::int64_t count = 0;
  };

  // From 1, so that 0 is "never".
  static std::uint64_t second(SteadyPoint t) {
    return 1 + static_cast<std::uint64_t>(
                   std::chrono::floor<std::chrono::seconds>(t.time_since_epoch()).count());
  }

  std::array<Bucket, 10> buckets_{};
  std::uint64_t first_ = 0;
};

// Count and mean of the runs that ended in the last 10 minutes, to the minute.
class RecentRuns {
 public:
  void add(Duration run, SteadyPoint now) {
    Bucket& bucket = buckets_[minute(now) % buckets_.size()];
    if (bucket.minute != minute(now)) bucket = {minute(now), 0, 0};
    ++bucket.count;
    bucket.seconds += to_seconds(run);
  }
  std::int64_t count(SteadyPoint now) const { return total(now).count; }
  double mean_seconds(SteadyPoint now) const {
    const Bucket all = total(now);
    return all.count == 0 ? 0 : all.seconds / static_cast<double>(all.count);
  }

 private:
  struct Bucket {
    std::uint64_t minute = 0;
    std::int64_t count = 0;
    double seconds = 0;
  };

  static std::uint64_t minute(SteadyPoint t) {
    return static_cast<std::uint64_t>(
        std::chrono::floor<std::chrono::minutes>(t.time_since_epoch()).count());
  }
  Bucket total(SteadyPoint now) const {
    Bucket all;
    for (const Bucket& bucket : buckets_) {
      if (bucket.minute + buckets_.size() <= minute(now)) continue;
      all.count += bucket.count;
      all.seconds += bucket.seconds;
    }
    return all;
  }

  std::array<Bucket, 10> buckets_{};
};

}  // namespace sluice::broker
