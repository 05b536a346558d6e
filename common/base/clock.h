// Time, injected: pure code receives it as an argument, the edges hold a Clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

using Duration = std::chrono::microseconds;
// UTC, as stored and shown; may jump when the machine's clock is set.
using TimePoint = std::chrono::sys_time<Duration>;
// Since an arbitrary start inside this process; never jumps, means nothing elsewhere.
using SteadyPoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// One moment on both scales: waits and leases are measured on `steady`, dates on `wall`.
struct Now {
  TimePoint wall;
  SteadyPoint steady;

  friend Now operator+(Now now, Duration d) { return {now.wall + d, now.steady + d}; }
  friend bool operator==(const Now&, const Now&) = default;
};

// Any thread may call now(); it does not block.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Now now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Now now() const override;
};

// RFC 3339 UTC with as many fraction digits as are needed (0, 3 or 6): "2026-11-22T16:00:00.25Z"
// is written "2026-11-22T16:00:00.250Z".
// Times outside the years 0000-9999 are written as the nearest one inside.
std::string format_rfc3339(TimePoint t);

// Always three fraction digits, cut: for columns of times.
std::string format_rfc3339_millis(TimePoint t);

// Accepts an offset or Z, any number of fraction digits (cut to microseconds); absent when `text`
// is anything else, the date does not exist, or it falls outside the years 0000-9999 in UTC.
std::optional<TimePoint> parse_rfc3339(std::string_view text);

constexpr double to_seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace sluice
