// How long a connection is waited for.
#pragma once

#include <chrono>

#include "broker/server/limits.h"

namespace sluice::broker {

// Those of limits.h; others are for tests of what happens then.
struct ConnectionTimes {
  std::chrono::milliseconds idle_max = limits::kIdleMax;
  std::chrono::milliseconds header_max = limits::kHeaderMax;
  std::chrono::milliseconds silence_max = limits::kSilenceMax;
};

}  // namespace sluice::broker
