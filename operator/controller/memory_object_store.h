// The ObjectStore of local mode.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/ids.h"
#include "operator/controller/object_store.h"

namespace sluice::op {

// Objects in memory, with the semantics of the Kubernetes API: resource versions that only grow,
// generations that count changes of the spec, conflicts, owners that take their pods along.
//
// Threads: any. Events are delivered, never under the lock, by one thread of the store's own; a
// callback may call the store, and may end its own watch.
class MemoryObjectStore final : public ObjectStore {
 public:
  // `boot` keeps the UIDs of two runs apart (common/base/ids.h).
  MemoryObjectStore(const Clock& clock, std::uint32_t boot);
  ~MemoryObjectStore() override;  // every Watch is gone by then
  MemoryObjectStore(const MemoryObjectStore&) = delete;
  MemoryObjectStore& operator=(const MemoryObjectStore&) = delete;

  Result<Object> get(const ObjectKey& key) override;
  Result<std::vector<Object>> list(ObjectKind kind) override;
  std::unique_ptr<Watch> watch(ObjectKind kind, std::function<void(const WatchEvent&)> on_event,
                               std::function<void()> on_synced = {}) override;
  Result<Object> create(Object object) override;
  Result<Object> apply(Object object) override;
  Result<Object> update_status(const ObjectKey& key, const std::string& resource_version,
                               std::string status_json) override;
  Result<Object> set_replicas(const ObjectKey& queue, int replicas) override;
  Status check_pod(const Object& pod) override;
  Status remove(const ObjectKey& key, const std::string& uid) override;

  // For what runs pods: the pod's process is gone, so the object goes. kNotFound, kConflict (uid).
  Status finish_removal(const ObjectKey& key, const std::string& uid);

  // Every object but pods, as JSON text, so that UIDs and status outlive this process.
  std::string snapshot() const;
  // Requires: the store is empty and unwatched. kCorruption when `json` is not a snapshot, and then
  // nothing was taken over.
  Status restore(std::string_view json);
  // Grows with every change of an object but pods: whether a snapshot is worth writing.
  std::uint64_t snapshot_version() const;

  // Returns when every event of changes made before the call was delivered. Not from a callback.
  void wait_delivered();

 private:
  struct Subscription;
  struct Delivery {
    std::shared_ptr<Subscription> to;
    std::shared_ptr<const WatchEvent> event;  // null: synced
  };
  class MemoryWatch;

  Result<Object> create_locked(Object object);
  Object& store_locked(Object object, EventType type);
  void erase_locked(const ObjectKey& key);
  void publish_locked(EventType type, const Object& object);
  void mark_deleted_locked(Object& pod);
  void remove_owned_locked(const std::string& owner_uid);
  void forget_watch(const std::shared_ptr<Subscription>& subscription);
  void deliver();

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable delivered_;
  std::map<ObjectKey, Object> objects_;
  std::vector<std::shared_ptr<Subscription>> subscriptions_;
  std::deque<Delivery> deliveries_;
  IdSource ids_;
  std::uint64_t version_ = 0;
  std::uint64_t snapshot_version_ = 0;
  std::uint64_t published_ = 0;  // deliveries ever queued
  std::uint64_t finished_ = 0;   // deliveries done or dropped
  bool stopping_ = false;
  std::thread dispatcher_;
};

}  // namespace sluice::op
