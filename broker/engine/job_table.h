// Every job that has not ended, and the dead ones: where each is, by slot and by id.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "broker/engine/slot_heap.h"
#include "broker/engine/types.h"

namespace sluice::broker {

inline constexpr Slot kNoSlot = ~Slot{0};

// What a job under an idempotency key needs to write when it ends.
struct JobKey {
  Hash128 key{};
  Hash128 content{};
};

// Kept small: a waiting job costs this, a heap entry and an index entry, together under 120 bytes.
struct Job {
  JobId id;
  std::int64_t order_key = 0;
  TimePoint created_at;
  TimePoint due_at;  // Scheduled: when it becomes Ready; later: when it became Ready
  std::unique_ptr<JobExtras> extras;
  std::unique_ptr<JobKey> key;
  std::uint32_t queue = 0;  // index into the engine's queues
  std::uint32_t payload_bytes = 0;
  std::uint32_t position = 0;  // in its heap; Running: index of its lease
  std::uint32_t runs = 0;
  std::uint16_t attempts = 0;
  std::uint16_t lease_losses = 0;
  std::uint16_t releases = 0;
  std::uint16_t ignored = 0;
  api::JobState state : 4 = api::JobState::kReady;
  unsigned priority : 4 = 5;
  bool backing_off : 1 = false;
  bool cancel_requested : 1 = false;
  bool acknowledged : 1 = false;
  bool due_soon : 1 = false;  // Scheduled: in the nearer of the queue's two heaps
  bool in_line : 1 = false;   // holds its key_position: Ready, Running or backing off

  bool has_key() const { return extras && !extras->key.empty(); }
  JobExtras& make_extras() {
    if (!extras) extras = std::make_unique<JobExtras>();
    return *extras;
  }
};

static_assert(sizeof(Job) <= 88);  // what the store of a million waiting jobs is made of

// Slots are stable while a job lives, and used again after it.
//
// Threads: not synchronized.
class JobTable {
 public:
  std::size_t size() const { return count_; }

  Job& operator[](Slot slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  const Job& operator[](Slot slot) const { return chunks_[slot / kChunk][slot % kChunk]; }

  // Requires: `id` is not in the table.
  Slot insert(JobId id);
  // kNoSlot when there is none.
  Slot find(JobId id) const;
  void erase(Slot slot);

  // Every slot in use, in no particular order; the table must not change meanwhile.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const Entry& entry : index_) {
      if (entry.slot != kNoSlot) visit(entry.slot);
    }
  }

  // For SlotHeap.
  std::uint32_t& position(Slot slot) { return (*this)[slot].position; }
  bool before(Slot a, Slot b) const { return (*this)[a].id < (*this)[b].id; }

 private:
  static constexpr std::size_t kChunk = 1024;

  // With its job's hash, so that a search looks at no other job.
  struct Entry {
    Slot slot = kNoSlot;
    std::uint32_t hash = 0;
  };

  static std::uint32_t hash_of(JobId id) {
    return static_cast<std::uint32_t>(std::hash<Uuid>{}(id));
  }
  void place(Entry entry);
  void grow();

  std::vector<std::unique_ptr<Job[]>> chunks_;
  std::vector<Slot> free_;
  Slot next_unused_ = 0;
  std::vector<Entry> index_;  // open addressing, linear probing, a power of two long
  std::size_t count_ = 0;
};

}  // namespace sluice::broker
