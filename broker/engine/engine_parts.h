// What the engine remembers beside queues and jobs, and for how long.
#pragma once

#include <cstdint>
#include <optional>

#include "broker/engine/types.h"

namespace sluice::broker {

// An idempotency key, and an end, that the store's reads may not show yet.
struct RecentKey {
  BatchNumber batch = 0;
  JobId id;
  Hash128 content{};
};
struct RecentEnd {
  BatchNumber batch = 0;
  std::optional<api::JobState> state;  // absent: its record is gone
};
struct SourceState {
  std::uint64_t sequence = 0;
  std::uint32_t queue = 0;
  JobSource source;
  api::JobState state = api::JobState::kReady;
};

// A changed queue is told of at most this often, unless it is urgent.
inline constexpr Duration kSignalInterval = std::chrono::milliseconds{100};
inline constexpr Duration kUrgentSignalInterval = std::chrono::milliseconds{5};
// A worker without leases that was not heard of for this long is forgotten.
inline constexpr Duration kWorkerForgottenAfter = std::chrono::minutes{10};
inline constexpr std::size_t kReleasedUidsMax = 100;
api::QueueSpec callback_queue_spec();               // the same whatever an older version has stored
inline constexpr int kKeptForWatchersSeconds = 60;  // the longest wait there is

}  // namespace sluice::broker
