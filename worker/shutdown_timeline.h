// When a worker that was told to go does what.
#pragma once

#include "common/base/clock.h"

namespace sluice::worker {

// All measured from the SIGTERM. Until `terminate_after` handlers run on undisturbed.
struct ShutdownTimeline {
  Duration terminate_after;  // SIGTERM to the handlers that still run
  Duration kill_after;       // SIGKILL
  Duration give_up_after;    // exit, whatever the broker has not heard yet
};

// Grace - 10 s, - 5 s and - 1 s. A grace too short for that is divided in the same order.
constexpr ShutdownTimeline shutdown_timeline(Duration grace) {
  using std::chrono::seconds;
  const bool is_short = grace < seconds{15};
  const Duration terminate = is_short ? grace / 3 : grace - seconds{10};
  const Duration kill = is_short ? grace * 2 / 3 : grace - seconds{5};
  return {terminate, kill, kill + (grace - kill) * 4 / 5};
}

// Between SIGTERM and SIGKILL of a run that is over its time or cancelled (BROKER.md, Timeout).
constexpr Duration kill_delay(Duration lease) {
  const Duration longest = std::chrono::seconds{5};
  return (lease < longest ? lease : longest) / 2;
}

}  // namespace sluice::worker
