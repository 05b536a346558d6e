// Ready jobs in the order they may start in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "broker/engine/job_table.h"

namespace sluice::broker {

// Smallest key first. One heap a priority, so that the oldest is known without a second order:
// within a priority it is first, unless agingSeconds changed meanwhile (ADR 4).
//
// Time: O(log n) to change, O(priorities in use) to look.
class ReadyHeaps {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  void push(Slot slot, unsigned priority, std::int64_t key, JobTable& jobs) {
    heap_of(priority).push(slot, key, jobs);
    ++size_;
  }
  // Requires: it is in here, under this priority.
  void erase(Slot slot, unsigned priority, JobTable& jobs) {
    heap_of(priority).erase(slot, jobs);
    --size_;
  }
  // kNoSlot when there is none.
  Slot first(const JobTable& jobs) const {
    const Heap* best = nullptr;
    for (const Level& level : levels_) {
      const Heap& heap = level.heap;
      if (heap.empty()) continue;
      if (best == nullptr || heap.top_key() < best->top_key() ||
          (heap.top_key() == best->top_key() && jobs.before(heap.top(), best->top()))) {
        best = &heap;
      }
    }
    return best == nullptr ? kNoSlot : best->top();
  }
  // When the oldest became Ready.
  std::optional<TimePoint> oldest(const JobTable& jobs) const {
    std::optional<TimePoint> oldest;
    for (const Level& level : levels_) {
      if (level.heap.empty()) continue;
      const TimePoint since = jobs[level.heap.top()].due_at;
      oldest = std::min(oldest.value_or(since), since);
    }
    return oldest;
  }

 private:
  using Heap = SlotHeap<JobTable>;
  struct Level {
    unsigned priority;
    Heap heap;
  };

  Heap& heap_of(unsigned priority) {
    for (Level& level : levels_) {
      if (level.priority == priority) return level.heap;
    }
    return levels_.emplace_back(Level{priority, {}}).heap;
  }

  std::vector<Level> levels_;  // of the priorities that were in use
  std::size_t size_ = 0;
};

}  // namespace sluice::broker
