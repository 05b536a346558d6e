#include "operator/controller/object_cache.h"

#include <algorithm>

#include "operator/controller/pod_builder.h"

namespace sluice::op {
namespace {

bool is_number(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool is_older_version(const std::string& a, const std::string& b) {
  if (!is_number(a) || !is_number(b)) return false;
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

bool ObjectCache::observe(const WatchEvent& event) {
  const std::lock_guard lock(mutex_);
  const Object& object = event.object;
  if (event.type != EventType::kDeleted) return put_locked(object);

  const auto it = objects_.find(object.key);
  if (it != objects_.end()) {
    const bool is_successor =
        it->second.uid != object.uid &&
        is_older_version(object.resource_version, it->second.resource_version);
    if (is_successor) return false;
    objects_.erase(it);
  }
  if (tombstones_.insert_or_assign(object.key, object.resource_version).second) {
    tombstone_order_.push_back(object.key);
    if (tombstone_order_.size() > kTombstonesMax) {
      const auto half = tombstone_order_.begin() + kTombstonesMax / 2;
      std::for_each(tombstone_order_.begin(), half,
                    [this](const ObjectKey& key) { tombstones_.erase(key); });
      tombstone_order_.erase(tombstone_order_.begin(), half);
    }
  }
  return true;
}

void ObjectCache::note(const Object& object) {
  const std::lock_guard lock(mutex_);
  put_locked(object);
}

void ObjectCache::note_removing(const ObjectKey& key, const std::string& uid, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end() || it->second.uid != uid) return;
  if (!it->second.deletion_time) it->second.deletion_time = now;
}

void ObjectCache::note_absent(const ObjectKey& key, const std::string& uid) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  if (it != objects_.end() && it->second.uid == uid) objects_.erase(it);
}

std::optional<Object> ObjectCache::get(const ObjectKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return std::nullopt;
  return it->second;
}

bool ObjectCache::contains(const ObjectKey& key) const {
  const std::lock_guard lock(mutex_);
  return objects_.contains(key);
}

std::vector<ObjectKey> ObjectCache::keys(ObjectKind kind) const {
  const std::lock_guard lock(mutex_);
  std::vector<ObjectKey> found;
  for (auto it = objects_.lower_bound({kind, "", ""});
       it != objects_.end() && it->first.kind == kind; ++it) {
    found.push_back(it->first);
  }
  return found;
}

std::vector<ObjectKey> ObjectCache::keys(ObjectKind kind, const std::string& namespace_name) const {
  const std::lock_guard lock(mutex_);
  std::vector<ObjectKey> found;
  for (auto it = objects_.lower_bound({kind, namespace_name, ""});
       it != objects_.end() && it->first.kind == kind && it->first.namespace_name == namespace_name;
       ++it) {
    found.push_back(it->first);
  }
  return found;
}

std::vector<Object> ObjectCache::pods_of(const std::string& namespace_name,
                                         const std::string& queue) const {
  const std::lock_guard lock(mutex_);
  std::vector<Object> found;
  for (auto it = objects_.lower_bound({ObjectKind::kPod, namespace_name, ""});
       it != objects_.end() && it->first.kind == ObjectKind::kPod &&
       it->first.namespace_name == namespace_name;
       ++it) {
    const auto label = it->second.labels.find(kQueueLabel);
    if (label != it->second.labels.end() && label->second == queue) found.push_back(it->second);
  }
  return found;
}

bool ObjectCache::put_locked(const Object& object) {
  const auto gone = tombstones_.find(object.key);
  if (gone != tombstones_.end() && is_older_version(object.resource_version, gone->second)) {
    return false;
  }
  const auto [it, is_new] = objects_.try_emplace(object.key, object);
  if (is_new) return true;
  Object& known = it->second;
  if (known.resource_version == object.resource_version ||
      is_older_version(object.resource_version, known.resource_version)) {
    return false;
  }
  const bool was_removing = known.uid == object.uid && known.deletion_time.has_value();
  const auto removing_since = known.deletion_time;
  known = object;
  // A deletion is never taken back.
  if (was_removing && !known.deletion_time) known.deletion_time = removing_since;
  return true;
}

}  // namespace sluice::op
