// What the operator last saw of every object, its own writes included.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "operator/controller/object_store.h"

namespace sluice::op {

// Fed by watches and by our own writes, in whatever order they arrive: an older version of an
// object never replaces a newer one, so a lagging watch does not undo what we know (SURVIVAL 3, 7).
//
// Threads: any.
class ObjectCache {
 public:
  // Whether it told anything new.
  bool observe(const WatchEvent& event);
  // The answer to a write of ours, or to a read that bypassed the cache.
  void note(const Object& object);
  // Our removal of a pod was accepted: it counts as being deleted until the watch says more.
  void note_removing(const ObjectKey& key, const std::string& uid, TimePoint now);
  // A live read found nothing under `key`; `uid` is what the cache held.
  void note_absent(const ObjectKey& key, const std::string& uid);

  std::optional<Object> get(const ObjectKey& key) const;
  bool contains(const ObjectKey& key) const;
  std::vector<ObjectKey> keys(ObjectKind kind) const;
  std::vector<ObjectKey> keys(ObjectKind kind, const std::string& namespace_name) const;
  // By label, whoever owns them.
  std::vector<Object> pods_of(const std::string& namespace_name, const std::string& queue) const;

 private:
  bool put_locked(const Object& object);

  mutable std::mutex mutex_;
  std::map<ObjectKey, Object> objects_;
  // The versions at which names became free, so that an event from before does not bring back what
  // is gone. Bounded: the oldest are forgotten, by then no watch lags that far.
  static constexpr std::size_t kTombstonesMax = 4'096;
  std::map<ObjectKey, std::string> tombstones_;
  std::vector<ObjectKey> tombstone_order_;
};

// Whether version `a` is surely older than `b`: both are whole numbers, as every API server makes
// them. Otherwise nothing is known and the answer is false.
bool is_older_version(const std::string& a, const std::string& b);

}  // namespace sluice::op
