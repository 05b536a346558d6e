// A clock that moves when a test says so.
#pragma once

#include <atomic>

#include "common/base/clock.h"

namespace sluice::testing {

// Both scales advance together; jump_wall() is somebody setting the machine's clock.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(TimePoint wall = TimePoint{std::chrono::seconds{1'800'000'000}})
      : wall_us_(wall.time_since_epoch().count()) {}

  Now now() const override {
    return {TimePoint{Duration{wall_us_.load()}}, SteadyPoint{Duration{steady_us_.load()}}};
  }
  void advance(Duration d) {
    wall_us_ += d.count();
    steady_us_ += d.count();
  }
  void jump_wall(Duration d) { wall_us_ += d.count(); }

 private:
  std::atomic<Duration::rep> wall_us_;
  std::atomic<Duration::rep> steady_us_{1'000'000'000};
};

}  // namespace sluice::testing
