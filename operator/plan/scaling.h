// How many workers a queue wants: the formula of docs/architecture.md ("Scaling"), from Little's
// law.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/api/resources.h"
#include "common/base/clock.h"

namespace sluice::op {

// What the formula and its brakes look back on; kept between reconciles, rebuilt empty after a
// restart (the size is then held until it is known).
struct ScalingMemory {
  struct Wanted {
    TimePoint at;
    int replicas = 0;
  };
  std::vector<Wanted> recent;           // inside scaleDown.stabilizationSeconds
  std::vector<Wanted> growth;           // pods added, inside scaleUp.periodSeconds
  std::optional<TimePoint> idle_since;  // nothing ready, due soon or running; or dispatch paused
  std::optional<int> replicas;          // the last decision: pods that end are replaced, not lost
};

struct ScalingInput {
  api::Scaling scaling;
  int concurrency = 1;
  int max_jobs_per_pod = 0;
  int timeout_seconds = 300;
  std::optional<api::RateLimit> rate_limit;
  std::optional<api::ConcurrencyLimit> concurrency_limit;
  Duration cold_start{};                     // 0 until it is measured
  std::optional<api::QueueFigures> figures;  // absent: unknown, which is never zero
  int current = 0;                           // pods that count: ordered or ready, not draining
  std::optional<int> pinned;                 // replicas owned by another manager
};

struct ScalingDecision {
  int replicas = 0;
  ScalingMemory memory;
  std::string reason;  // CamelCase, for the Scaling condition: "AtDesiredSize", "Backlog", "Idle",
                       // "UnknownFigures"…
  std::string message;
  std::optional<Duration> requeue_after;  // when a brake may let go
};

// Pure. Unknown figures hold `current`; paused dispatch goes to min after idleSeconds; scaleUp caps
// the pods added in a period; scaleDown takes the highest wish of its window; idleSeconds holds the
// last worker.
ScalingDecision decide_scale(const ScalingInput& input, const ScalingMemory& memory, TimePoint now);

// wanted before the brakes and bounds. Requires: input.figures.
int wanted_replicas(const ScalingInput& input);

// m: the mean time a run holds its slot, counting the runs that are not over yet.
double mean_slot_seconds(const ScalingInput& input);

inline constexpr int kWantedReplicasMax = 1'000'000;  // keeps absurd figures inside an int

}  // namespace sluice::op
