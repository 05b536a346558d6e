// Which Jobs wait for which others to be accepted.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "operator/controller/object_store.h"

namespace sluice::op {

// Kept in memory alone: every Job is visited after a start, and says again what it waits for.
//
// Threads: any.
class ParentWaits {
 public:
  // From now on; said before the parents are looked at, so that no change of them is missed.
  void wait(const ObjectKey& child, const std::vector<ObjectKey>& parents);
  void forget(const ObjectKey& child);
  std::vector<ObjectKey> waiting_for(const ObjectKey& parent) const;

 private:
  void forget_locked(const ObjectKey& child);

  mutable std::mutex mutex_;
  std::map<ObjectKey, std::set<ObjectKey>> children_;
  std::map<ObjectKey, std::vector<ObjectKey>> parents_;
};

}  // namespace sluice::op
