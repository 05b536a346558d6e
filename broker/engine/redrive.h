// A redrive: dead letters on their way back into the queue, a few at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "broker/engine/views.h"

namespace sluice::broker {

enum class RedriveState : std::uint8_t { kRunning, kDone, kCancelled };

std::string_view to_string(RedriveState state);  // "Running"

// The task as it is stored, rewritten in the batch that moves its jobs: none is moved twice.
struct RedriveRecord {
  QueueNumber queue{};
  Uuid id;
  RedriveState state = RedriveState::kRunning;
  // What to move. With ids: those that are still to do, oldest death first.
  DeadFilter filter;
  int per_second = 1'000;
  std::uint32_t selected = 0;  // when it was asked for; some may be gone when their turn comes
  std::uint32_t redriven = 0;
  TimePoint created_at;  // who died later is not meant
  // The last dead letter looked at, without ids.
  std::optional<std::pair<TimePoint, JobId>> cursor;
  std::optional<TimePoint> finished_at;
};

// Of one queue; the oldest that are done make room for new ones.
inline constexpr std::size_t kRedrivesMax = 100;
// Of one slice, which is one step of the engine.
inline constexpr int kRedriveSliceMax = 500;

}  // namespace sluice::broker
