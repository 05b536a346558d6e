#include "operator/controller/parent_waits.h"

namespace sluice::op {

void ParentWaits::wait(const ObjectKey& child, const std::vector<ObjectKey>& parents) {
  const std::lock_guard lock(mutex_);
  forget_locked(child);
  if (parents.empty()) return;
  for (const ObjectKey& parent : parents) children_[parent].insert(child);
  parents_[child] = parents;
}

void ParentWaits::forget(const ObjectKey& child) {
  const std::lock_guard lock(mutex_);
  forget_locked(child);
}

std::vector<ObjectKey> ParentWaits::waiting_for(const ObjectKey& parent) const {
  const std::lock_guard lock(mutex_);
  const auto found = children_.find(parent);
  if (found == children_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

void ParentWaits::forget_locked(const ObjectKey& child) {
  const auto found = parents_.find(child);
  if (found == parents_.end()) return;
  for (const ObjectKey& parent : found->second) {
    const auto waiting = children_.find(parent);
    if (waiting == children_.end()) continue;
    waiting->second.erase(child);
    if (waiting->second.empty()) children_.erase(waiting);
  }
  parents_.erase(found);
}

}  // namespace sluice::op
