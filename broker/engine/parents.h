// What the engine knows of a job that others depend on, and what the store is asked about it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "broker/engine/records.h"
#include "broker/engine/types.h"

namespace sluice::broker {

// A parent that has ended, as the store held it. `record` borrows from the other two.
struct EndedParent {
  QueueName queue;
  FinishedRecord record;
  std::unique_ptr<JobExtras> extras;
  std::string result_json;
};

// What the store answered about parents that the engine did not know; null: there is no such job.
using EndedParents = std::unordered_map<JobId, std::shared_ptr<const EndedParent>>;

// A job while others depend on it: from the first of them on until the last has left memory.
struct ParentState {
  std::uint32_t queue = 0;  // index
  QueueNumber number{};
  std::optional<api::JobState> end;  // absent: it has not ended, or has another life
  bool kept = false;                 // by an outcome record of its own, results included
  std::size_t children = 0;          // in memory: dead ones count, they may be redriven
  std::set<JobId> waiting;           // of them, those that wait for this one
};

// A parent that has ended, as its outcome record says at start.
struct LoadedEnd {
  std::uint32_t queue = 0;  // index
  api::JobState state = api::JobState::kSucceeded;
};

}  // namespace sluice::broker
