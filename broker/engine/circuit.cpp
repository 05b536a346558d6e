#include "broker/engine/circuit.h"

#include <algorithm>

namespace sluice::broker {

using api::CircuitState;

bool Circuit::advance(SteadyPoint now) {
  if (state_ != CircuitState::kOpen || now < opens_until_) return false;
  state_ = CircuitState::kHalfOpen;
  ++half_open_times_;
  probes_running_ = probes_succeeded_ = 0;
  return true;
}

std::int64_t Circuit::starts_left() const {
  switch (state_) {
    case CircuitState::kClosed:
      return std::numeric_limits<std::int64_t>::max();
    case CircuitState::kOpen:
      return 0;
    case CircuitState::kHalfOpen:
      return kProbes - probes_running_ - probes_succeeded_;
  }
  return 0;
}

std::uint32_t Circuit::start() {
  if (state_ != CircuitState::kHalfOpen) return 0;
  ++probes_running_;
  return half_open_times_;
}

void Circuit::end(std::uint32_t started_in, RunOutcome outcome, const api::CircuitBreaker& limits,
                  SteadyPoint now) {
  if (state_ == CircuitState::kClosed && outcome != RunOutcome::kNeither) {
    return count(outcome == RunOutcome::kFailed, limits, now);
  }
  if (state_ != CircuitState::kHalfOpen || started_in != half_open_times_) return;
  --probes_running_;
  if (outcome == RunOutcome::kFailed) return open(limits, now);
  if (outcome == RunOutcome::kNeither || ++probes_succeeded_ < kProbes) return;
  close();
}

void Circuit::close() {
  state_ = CircuitState::kClosed;
  buckets_.fill({});
}

void Circuit::count(bool failed, const api::CircuitBreaker& limits, SteadyPoint now) {
  if (limits.window_seconds != window_seconds_) {
    window_seconds_ = limits.window_seconds;
    buckets_.fill({});
  }
  const std::int64_t width = Duration{std::chrono::seconds{window_seconds_}}.count() / kBuckets;
  const std::int64_t number = now.time_since_epoch().count() / width;
  Bucket& bucket = buckets_[static_cast<std::size_t>(number % kBuckets)];
  if (bucket.number != number) bucket = {number, 0, 0};
  ++bucket.runs;
  if (!failed) return;
  ++bucket.failed;

  std::int64_t runs = 0, failures = 0;
  for (const Bucket& one : buckets_) {
    if (one.number <= number - kBuckets) continue;
    runs += one.runs;
    failures += one.failed;
  }
  if (runs >= limits.minimum_jobs && failures * 100 >= runs * limits.failure_percent) {
    open(limits, now);
  }
}

void Circuit::open(const api::CircuitBreaker& limits, SteadyPoint now) {
  state_ = CircuitState::kOpen;
  opens_until_ = now + std::chrono::seconds{limits.open_seconds};
}

}  // namespace sluice::broker
