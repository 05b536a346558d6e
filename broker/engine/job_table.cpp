#include "broker/engine/job_table.h"

#include "common/base/check.h"

namespace sluice::broker {

Slot JobTable::insert(JobId id) {
  if ((count_ + 1) * 4 > index_.size() * 3) grow();

  Slot slot = kNoSlot;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    slot = next_unused_++;
    if (slot / kChunk >= chunks_.size()) chunks_.push_back(std::make_unique<Job[]>(kChunk));
  }
  (*this)[slot].id = id;

  std::size_t at = home(id);
  while (index_[at] != kNoSlot) {
    CHECK((*this)[index_[at]].id != id);
    at = (at + 1) & (index_.size() - 1);
  }
  index_[at] = slot;
  ++count_;
  return slot;
}

Slot JobTable::find(JobId id) const {
  if (index_.empty()) return kNoSlot;
  for (std::size_t at = home(id); index_[at] != kNoSlot; at = (at + 1) & (index_.size() - 1)) {
    if ((*this)[index_[at]].id == id) return index_[at];
  }
  return kNoSlot;
}

void JobTable::erase(Slot slot) {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = home((*this)[slot].id);
  while (index_[hole] != slot) {
    CHECK(index_[hole] != kNoSlot);
    hole = (hole + 1) & mask;
  }

  // Later entries of the run move up into the hole unless it lies before their home.
  for (std::size_t at = (hole + 1) & mask; index_[at] != kNoSlot; at = (at + 1) & mask) {
    const std::size_t wanted = home((*this)[index_[at]].id);
    if (((at - wanted) & mask) >= ((at - hole) & mask)) {
      index_[hole] = index_[at];
      hole = at;
    }
  }
  index_[hole] = kNoSlot;

  (*this)[slot] = Job{};
  free_.push_back(slot);
  --count_;
}

void JobTable::grow() {
  std::vector<Slot> before = std::move(index_);
  index_.assign(before.empty() ? 1024 : before.size() * 2, kNoSlot);
  for (const Slot slot : before) {
    if (slot == kNoSlot) continue;
    std::size_t at = home((*this)[slot].id);
    while (index_[at] != kNoSlot) at = (at + 1) & (index_.size() - 1);
    index_[at] = slot;
  }
}

}  // namespace sluice::broker
