// A job that runs, as the engine keeps it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "broker/engine/queue_state.h"
#include "broker/engine/types.h"

namespace sluice::broker {

// A live claim of one job.
struct LeaseState {
  Slot slot = kNoSlot;
  ClaimNumber claim{};
  SteadyPoint expires_at;    // without an extend
  SteadyPoint times_out_at;  // whatever the heartbeats
  SteadyPoint started_steady;
  std::uint32_t circuit_mark = 0;  // Circuit::start()
  TimePoint started_at;
  TimePoint deadline;
  WorkerState* worker = nullptr;
  std::unique_ptr<api::Progress> progress;
  std::uint32_t position = 0;
  struct Links {
    std::uint32_t next = kNoLease;
    std::uint32_t previous = kNoLease;
  };
  Links of_claim;
  Links of_worker;

  std::int64_t key() const { return std::min(expires_at, times_out_at).time_since_epoch().count(); }
};

// Every live lease by its index, and lists of those that belong together. For SlotHeap: position()
// and before().
struct LeaseTable {
  std::vector<LeaseState> all;
  std::vector<std::uint32_t> free;
  std::uint32_t& position(Slot index) { return all[index].position; }
  bool before(Slot a, Slot b) const { return a < b; }

  using Links = LeaseState::Links LeaseState::*;
  void link(LeaseList& list, Links links, std::uint32_t index);
  void unlink(LeaseList& list, Links links, std::uint32_t index);
  std::vector<Slot> slots(const LeaseList& list, Links links) const;
};

// What an ended run says about itself.
struct RunResult {
  RunEnd end = RunEnd::kFailed;
  api::RunError error;
  std::optional<int> retry_after_seconds = {};  // as the handler asked
};

}  // namespace sluice::broker
