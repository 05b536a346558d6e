#include "broker/engine/job_table.h"

#include "common/base/check.h"

namespace sluice::broker {

Slot JobTable::insert(JobId id) {
  if ((count_ + 1) * 8 > index_.size() * 7) grow();

  Slot slot = kNoSlot;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    slot = next_unused_++;
    if (slot / kChunk >= chunks_.size()) chunks_.push_back(std::make_unique<Job[]>(kChunk));
  }
  (*this)[slot].id = id;
  place({slot, hash_of(id)});
  ++count_;
  return slot;
}

void JobTable::place(Entry entry) {
  const std::size_t mask = index_.size() - 1;
  std::size_t at = entry.hash & mask;
  while (index_[at].slot != kNoSlot) {
    CHECK(index_[at].hash != entry.hash || (*this)[index_[at].slot].id != (*this)[entry.slot].id);
    at = (at + 1) & mask;
  }
  index_[at] = entry;
}

Slot JobTable::find(JobId id) const {
  if (index_.empty()) return kNoSlot;
  const std::size_t mask = index_.size() - 1;
  const std::uint32_t hash = hash_of(id);
  for (std::size_t at = hash & mask; index_[at].slot != kNoSlot; at = (at + 1) & mask) {
    if (index_[at].hash == hash && (*this)[index_[at].slot].id == id) return index_[at].slot;
  }
  return kNoSlot;
}

void JobTable::erase(Slot slot) {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = hash_of((*this)[slot].id) & mask;
  while (index_[hole].slot != slot) {
    CHECK(index_[hole].slot != kNoSlot);
    hole = (hole + 1) & mask;
  }

  // Later entries of the run move up into the hole unless it lies before their home.
  for (std::size_t at = (hole + 1) & mask; index_[at].slot != kNoSlot; at = (at + 1) & mask) {
    const std::size_t wanted = index_[at].hash & mask;
    if (((at - wanted) & mask) >= ((at - hole) & mask)) {
      index_[hole] = index_[at];
      hole = at;
    }
  }
  index_[hole] = {};

  (*this)[slot] = Job{};
  free_.push_back(slot);
  --count_;
}

void JobTable::grow() {
  const std::vector<Entry> before = std::move(index_);
  index_.assign(before.empty() ? 1024 : before.size() * 2, Entry{});
  for (const Entry& entry : before) {
    if (entry.slot != kNoSlot) place(entry);
  }
}

}  // namespace sluice::broker
