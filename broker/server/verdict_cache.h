// What was found out lately about callers, for a bounded time and in bounded space.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/base/clock.h"

namespace sluice::broker {

// Entries of one lifetime, so that the oldest is the first to end; the oldest goes when there are
// too many.
//
// Threads: not synchronized.
template <typename Verdict>
class VerdictCache {
 public:
  VerdictCache(Duration lifetime, std::size_t entries_max)
      : lifetime_(lifetime), entries_max_(entries_max) {}

  std::optional<Verdict> find(const std::string& key, SteadyPoint now) const {
    const auto entry = entries_.find(key);
    if (entry == entries_.end() || entry->second.ends_at <= now) return {};
    return entry->second.verdict;
  }

  void put(const std::string& key, Verdict verdict, SteadyPoint now) {
    while (!order_.empty() && (order_.front().first <= now || order_.size() >= entries_max_)) {
      drop_oldest();
    }
    const SteadyPoint ends_at = now + lifetime_;
    entries_.insert_or_assign(key, Entry{std::move(verdict), ends_at});
    order_.emplace_back(ends_at, key);
  }

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Verdict verdict;
    SteadyPoint ends_at;
  };

  void drop_oldest() {
    const auto entry = entries_.find(order_.front().second);
    // One that was put anew meanwhile stands further back in the order too.
    if (entry != entries_.end() && entry->second.ends_at <= order_.front().first) {
      entries_.erase(entry);
    }
    order_.pop_front();
  }

  Duration lifetime_;
  std::size_t entries_max_;
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::pair<SteadyPoint, std::string>> order_;
};

}  // namespace sluice::broker
