// A heap of slots that knows where each slot stands, so that any can be taken out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/check.h"

namespace sluice::broker {

using Slot = std::uint32_t;

// Smallest key first; equal keys by Owner::before(a, b). The owner keeps each slot's position:
// `std::uint32_t& Owner::position(Slot)`. All operations O(log n), top() O(1).
//
// Threads: not synchronized.
template <typename Owner>
class SlotHeap {
 public:
  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  Slot top() const { return items_.front().slot; }
  std::int64_t top_key() const { return items_.front().key; }
  const auto& items() const { return items_; }

  void push(Slot slot, std::int64_t key, Owner& owner) {
    items_.push_back({key, slot});
    rise(items_.size() - 1, owner);
  }

  Slot pop(Owner& owner) {
    const Slot slot = top();
    erase(slot, owner);
    return slot;
  }

  // Requires: `slot` is in this heap.
  void erase(Slot slot, Owner& owner) {
    const std::size_t at = owner.position(slot);
    CHECK(at < items_.size() && items_[at].slot == slot);
    const Item last = items_.back();
    items_.pop_back();
    if (last.slot == slot) return;
    items_[at] = last;
    owner.position(last.slot) = static_cast<std::uint32_t>(at);
    rise(at, owner);
    sink(owner.position(last.slot), owner);
  }

  void change_key(Slot slot, std::int64_t key, Owner& owner) {
    const std::size_t at = owner.position(slot);
    items_[at].key = key;
    rise(at, owner);
    sink(owner.position(slot), owner);
  }

  void clear() {
    items_.clear();
    items_.shrink_to_fit();
  }

 private:
  struct Item {
    std::int64_t key;
    Slot slot;
  };

  // Fewer levels than a binary heap has: a move touches its slot's job, which mostly is in no
  // cache.
  static constexpr std::size_t kChildren = 4;

  static bool less(const Item& a, const Item& b, const Owner& owner) {
    return a.key != b.key ? a.key < b.key : owner.before(a.slot, b.slot);
  }

  void place(std::size_t at, const Item& item, Owner& owner) {
    items_[at] = item;
    owner.position(item.slot) = static_cast<std::uint32_t>(at);
  }

  void rise(std::size_t at, Owner& owner) {
    const Item item = items_[at];
    while (at > 0) {
      const std::size_t parent = (at - 1) / kChildren;
      if (!less(item, items_[parent], owner)) break;
      place(at, items_[parent], owner);
      at = parent;
    }
    place(at, item, owner);
  }

  void sink(std::size_t at, Owner& owner) {
    const Item item = items_[at];
    for (;;) {
      const std::size_t first = kChildren * at + 1;
      if (first >= items_.size()) break;
      const std::size_t end = std::min(first + kChildren, items_.size());
      std::size_t best = first;
      for (std::size_t child = first + 1; child < end; ++child) {
        if (less(items_[child], items_[best], owner)) best = child;
      }
      if (!less(items_[best], item, owner)) break;
      place(at, items_[best], owner);
      at = best;
    }
    place(at, item, owner);
  }

  std::vector<Item> items_;
};

}  // namespace sluice::broker
