// Growing, jittered waits between tries.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "common/base/clock.h"

namespace sluice::worker {

// Threads: not synchronized.
class Backoff {
 public:
  static constexpr Duration kFirst = std::chrono::milliseconds{100};
  static constexpr Duration kMax = std::chrono::seconds{5};

  explicit Backoff(std::uint64_t seed) : random_(seed) {}

  // Between half of and the whole next step; steps double up to kMax.
  Duration next() {
    const Duration step = step_;
    step_ = std::min(step_ * 2, kMax);
    return Duration{
        std::uniform_int_distribution<Duration::rep>(step.count() / 2, step.count())(random_)};
  }

  void reset() { step_ = kFirst; }

 private:
  std::mt19937_64 random_;
  Duration step_ = kFirst;
};

}  // namespace sluice::worker
