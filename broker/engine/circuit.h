// The circuit breaker: when too many runs fail, starts stop for a while, then a few are tried.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "common/api/job_protocol.h"
#include "common/api/resources.h"
#include "common/base/clock.h"

namespace sluice::broker {

// Closed: counts how runs end, over a window that slides in kBuckets steps. Open: nothing starts.
// Half-open: kProbes may start; all have to succeed, and the first failure opens it again. A probe
// that ends as neither (released, lost, ignored, cancelled) makes room for another.
class Circuit {
 public:
  static constexpr int kProbes = 3;

  enum class RunOutcome { kSucceeded, kFailed, kNeither };

  api::CircuitState state() const { return state_; }
  // Whatever it is: counting begins anew.
  void close();
  // Whether its open time is over, and it turned half-open.
  bool advance(SteadyPoint now);
  // Of an open one.
  SteadyPoint opens_until() const { return opens_until_; }
  std::int64_t starts_left() const;

  // A job starts. What it returns goes to end(): it tells the probes of this half-open time from
  // runs that began before it.
  std::uint32_t start();
  void end(std::uint32_t started_in, RunOutcome outcome, const api::CircuitBreaker& limits,
           SteadyPoint now);

 private:
  static constexpr int kBuckets = 30;
  struct Bucket {
    std::int64_t number = -1;  // since the clock's zero, in bucket widths
    std::int64_t runs = 0;
    std::int64_t failed = 0;
  };

  void count(bool failed, const api::CircuitBreaker& limits, SteadyPoint now);
  void open(const api::CircuitBreaker& limits, SteadyPoint now);

  api::CircuitState state_ = api::CircuitState::kClosed;
  SteadyPoint opens_until_{};
  std::uint32_t half_open_times_ = 0;
  int probes_running_ = 0;
  int probes_succeeded_ = 0;
  int window_seconds_ = 0;  // that the buckets are for
  std::array<Bucket, kBuckets> buckets_{};
};

}  // namespace sluice::broker
