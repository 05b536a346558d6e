#include "operator/controller/memory_object_store.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "common/base/check.h"
#include "operator/controller/replicas_field.h"

namespace sluice::op {
namespace {

std::string_view kind_name(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kQueue:
      return "queue";
    case ObjectKind::kJob:
      return "job";
    case ObjectKind::kSchedule:
      return "schedule";
    case ObjectKind::kPod:
      return "pod";
  }
  return "object";
}

std::string describe(const ObjectKey& key) {
  return std::string(kind_name(key.kind)) + " " + key.namespace_name + "/" + key.name;
}

Error not_found(const ObjectKey& key) {
  return {ErrorCode::kNotFound, describe(key) + " does not exist"};
}

Error other_uid(const ObjectKey& key) {
  return {ErrorCode::kConflict, describe(key) + " is another object by now", "uid"};
}

// Whoever writes a Queue with spec.replicas owns the field; who leaves it out leaves it alone.
void own_replicas(Object& object, const Object* before) {
  constexpr const char* kManifestManager = "manifest";
  if (object.key.kind != ObjectKind::kQueue) return;
  if (replicas_of(object.spec_json)) {
    if (object.replicas_manager.empty()) object.replicas_manager = kManifestManager;
    return;
  }
  object.replicas_manager.clear();
  if (before == nullptr || before->replicas_manager != kFieldManager) return;
  object.spec_json = with_replicas(object.spec_json, replicas_of(before->spec_json).value_or(0));
  object.replicas_manager = kFieldManager;
}

}  // namespace

struct MemoryObjectStore::Subscription {
  ObjectKind kind = ObjectKind::kQueue;
  std::function<void(const WatchEvent&)> on_event;
  std::function<void()> on_synced;
  // Held during a callback, so that ending the watch waits for it; recursive, because a callback
  // may end its own watch.
  std::recursive_mutex delivering;
  bool is_active = true;
};

class MemoryObjectStore::MemoryWatch final : public Watch {
 public:
  MemoryWatch(MemoryObjectStore& store, std::shared_ptr<Subscription> subscription)
      : store_(store), subscription_(std::move(subscription)) {}
  ~MemoryWatch() override {
    {
      const std::lock_guard lock(subscription_->delivering);
      subscription_->is_active = false;
    }
    store_.forget_watch(subscription_);
  }

 private:
  MemoryObjectStore& store_;
  std::shared_ptr<Subscription> subscription_;
};

MemoryObjectStore::MemoryObjectStore(const Clock& clock, std::uint32_t boot)
    : clock_(clock), ids_(boot), dispatcher_([this] { deliver(); }) {}

MemoryObjectStore::~MemoryObjectStore() {
  {
    const std::lock_guard lock(mutex_);
    CHECK(subscriptions_.empty());
    stopping_ = true;
  }
  wake_.notify_all();
  dispatcher_.join();
}

Result<Object> MemoryObjectStore::get(const ObjectKey& key) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return not_found(key);
  return it->second;
}

Result<std::vector<Object>> MemoryObjectStore::list(ObjectKind kind) {
  const std::lock_guard lock(mutex_);
  std::vector<Object> found;
  for (const auto& [key, object] : objects_) {
    if (key.kind == kind) found.push_back(object);
  }
  return found;
}

std::unique_ptr<Watch> MemoryObjectStore::watch(ObjectKind kind,
                                                std::function<void(const WatchEvent&)> on_event,
                                                std::function<void()> on_synced) {
  auto subscription = std::make_shared<Subscription>();
  subscription->kind = kind;
  subscription->on_event = std::move(on_event);
  subscription->on_synced = std::move(on_synced);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, object] : objects_) {
      if (key.kind != kind) continue;
      const auto event = std::make_shared<const WatchEvent>(WatchEvent{EventType::kAdded, object});
      deliveries_.push_back({subscription, event});
      ++published_;
    }
    deliveries_.push_back({subscription, nullptr});
    ++published_;
    subscriptions_.push_back(subscription);
  }
  wake_.notify_all();
  return std::make_unique<MemoryWatch>(*this, std::move(subscription));
}

Result<Object> MemoryObjectStore::create(Object object) {
  const std::lock_guard lock(mutex_);
  return create_locked(std::move(object));
}

Result<Object> MemoryObjectStore::apply(Object object) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(object.key);
  if (it == objects_.end()) return create_locked(std::move(object));

  const Object& before = it->second;
  own_replicas(object, &before);
  const bool same_spec = before.spec_json == object.spec_json;
  if (same_spec && before.labels == object.labels && before.annotations == object.annotations) {
    return before;
  }
  Object after = before;
  if (!same_spec) ++after.generation;
  after.spec_json = std::move(object.spec_json);
  after.labels = std::move(object.labels);
  after.annotations = std::move(object.annotations);
  after.replicas_manager = std::move(object.replicas_manager);
  return store_locked(std::move(after), EventType::kModified);
}

Result<Object> MemoryObjectStore::update_status(const ObjectKey& key,
                                                const std::string& resource_version,
                                                std::string status_json) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return not_found(key);
  if (!resource_version.empty() && resource_version != it->second.resource_version) {
    return Error{ErrorCode::kConflict, describe(key) + " was changed meanwhile", "resourceVersion"};
  }
  if (it->second.status_json == status_json) return it->second;
  Object after = it->second;
  after.status_json = std::move(status_json);
  return store_locked(std::move(after), EventType::kModified);
}

Result<Object> MemoryObjectStore::set_replicas(const ObjectKey& queue, int replicas) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(queue);
  if (it == objects_.end()) return not_found(queue);
  const Object& before = it->second;
  if (!before.replicas_manager.empty() && before.replicas_manager != kFieldManager) {
    return Error{ErrorCode::kConflict,
                 "spec.replicas of " + describe(queue) + " belongs to " + before.replicas_manager,
                 "spec.replicas"};
  }
  if (replicas_of(before.spec_json) == replicas) return before;
  Object after = before;
  after.spec_json = with_replicas(before.spec_json, replicas);
  after.replicas_manager = kFieldManager;
  ++after.generation;
  return store_locked(std::move(after), EventType::kModified);
}

Status MemoryObjectStore::check_pod(const Object&) {
  return Ok{};  // the builder has checked all that local mode looks at
}

Status MemoryObjectStore::remove(const ObjectKey& key, const std::string& uid) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return not_found(key);
  if (!uid.empty() && uid != it->second.uid) return other_uid(key);
  if (key.kind == ObjectKind::kPod) {
    mark_deleted_locked(it->second);
  } else {
    erase_locked(key);
  }
  return Ok{};
}

Status MemoryObjectStore::finish_removal(const ObjectKey& key, const std::string& uid) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return not_found(key);
  if (!uid.empty() && uid != it->second.uid) return other_uid(key);
  erase_locked(key);
  return Ok{};
}

std::uint64_t MemoryObjectStore::snapshot_version() const {
  const std::lock_guard lock(mutex_);
  return snapshot_version_;
}

void MemoryObjectStore::wait_delivered() {
  std::unique_lock lock(mutex_);
  const std::uint64_t upto = published_;
  delivered_.wait(lock, [&] { return finished_ >= upto; });
}

Result<Object> MemoryObjectStore::create_locked(Object object) {
  if (objects_.contains(object.key)) {
    return Error{ErrorCode::kConflict, describe(object.key) + " exists already", "name"};
  }
  const TimePoint now = clock_.now().wall;
  own_replicas(object, nullptr);
  object.uid = to_string(ids_.next(now));
  object.generation = 1;
  object.created_at = now;
  object.deletion_time.reset();
  return store_locked(std::move(object), EventType::kAdded);
}

Object& MemoryObjectStore::store_locked(Object object, EventType type) {
  object.resource_version = std::to_string(++version_);
  if (object.key.kind != ObjectKind::kPod) ++snapshot_version_;
  Object& stored = objects_[object.key];
  stored = std::move(object);
  publish_locked(type, stored);
  return stored;
}

void MemoryObjectStore::erase_locked(const ObjectKey& key) {
  const auto it = objects_.find(key);
  Object gone = std::move(it->second);
  objects_.erase(it);
  gone.resource_version = std::to_string(++version_);
  if (key.kind != ObjectKind::kPod) ++snapshot_version_;
  publish_locked(EventType::kDeleted, gone);
  remove_owned_locked(gone.uid);
}

void MemoryObjectStore::publish_locked(EventType type, const Object& object) {
  std::shared_ptr<const WatchEvent> event;
  for (const auto& subscription : subscriptions_) {
    if (subscription->kind != object.key.kind) continue;
    if (!event) event = std::make_shared<const WatchEvent>(WatchEvent{type, object});
    deliveries_.push_back({subscription, event});
    ++published_;
  }
  wake_.notify_all();
}

void MemoryObjectStore::mark_deleted_locked(Object& pod) {
  if (pod.deletion_time) return;
  Object after = pod;
  after.deletion_time = clock_.now().wall;
  store_locked(std::move(after), EventType::kModified);
}

void MemoryObjectStore::remove_owned_locked(const std::string& owner_uid) {
  for (auto& [key, object] : objects_) {
    if (key.kind == ObjectKind::kPod && object.owner_uid == owner_uid) mark_deleted_locked(object);
  }
}

void MemoryObjectStore::forget_watch(const std::shared_ptr<Subscription>& subscription) {
  const std::lock_guard lock(mutex_);
  std::erase(subscriptions_, subscription);
}

void MemoryObjectStore::deliver() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !deliveries_.empty(); });
    if (stopping_) return;
    const Delivery delivery = std::move(deliveries_.front());
    deliveries_.pop_front();
    lock.unlock();
    {
      const std::lock_guard delivering(delivery.to->delivering);
      if (delivery.to->is_active) {
        if (delivery.event) {
          delivery.to->on_event(*delivery.event);
        } else if (delivery.to->on_synced) {
          delivery.to->on_synced();
        }
      }
    }
    lock.lock();
    ++finished_;
    delivered_.notify_all();
  }
}

}  // namespace sluice::op
