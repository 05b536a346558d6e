// A group: jobs that were enqueued together, and what happens when all of them have ended.
#pragma once

#include <cstdint>
#include <optional>

#include "broker/engine/types.h"

namespace sluice::broker {

// What a batch asks for.
struct NewGroup {
  std::optional<Uuid> id;  // the same batch sent again is the same group
  std::optional<api::Callback> callback;
  bool open = false;  // more jobs come with another batch
};

// As it is stored, rewritten in the batch that ends one of its jobs.
struct GroupRecord {
  QueueNumber queue{};
  Uuid id;
  std::uint32_t total = 0;
  std::uint32_t succeeded = 0;
  std::uint32_t dead = 0;
  std::uint32_t cancelled = 0;
  TimePoint created_at;
  bool open = false;  // more jobs will come
  // All have ended. What becomes of a dead letter after that changes nothing.
  std::optional<TimePoint> finished_at;
  std::optional<api::Callback> callback;

  std::uint32_t pending() const { return total - succeeded - dead - cancelled; }
};

// Of one queue: of those that are finished the oldest make room; more unfinished ones are refused.
inline constexpr std::size_t kGroupsMax = 10'000;
inline constexpr std::size_t kFinishedGroupsMax = 1'000;

}  // namespace sluice::broker
