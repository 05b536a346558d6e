// How long to wait before the next try.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "common/base/clock.h"

namespace sluice::kube {

// Doubles from `min` to `max`, and takes between half and all of it, so that clients that failed
// together do not come back together. Threads: not synchronized.
class Backoff {
 public:
  Backoff(Duration min, Duration max, std::uint64_t seed)
      : min_(min), max_(max), next_(min), jitter_(spread_seed(seed)) {}

  Duration next() {
    const Duration whole = next_;
    next_ = std::min(next_ * 2, max_);
    std::uniform_int_distribution<Duration::rep> spread(whole.count() / 2, whole.count());
    return Duration{spread(jitter_)};
  }
  void reset() { next_ = min_; }
  // 0 to 100, for what is spread in time but no retry.
  int percent() { return std::uniform_int_distribution<int>(0, 100)(jitter_); }

 private:
  // The generator's first numbers are small for small seeds.
  static std::uint32_t spread_seed(std::uint64_t seed) {
    return static_cast<std::uint32_t>((seed * 0x9E3779B97F4A7C15ull) >> 32);
  }

  Duration min_;
  Duration max_;
  Duration next_;
  std::minstd_rand jitter_;
};

}  // namespace sluice::kube
