// Where declared objects live: the Kubernetes API, or memory in local mode. Both pass
// tests/unit/operator/controller/object_store_contract.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::op {

// The one field manager of everything the operator writes.
inline constexpr const char* kFieldManager = "sluice-operator";

enum class ObjectKind { kQueue, kJob, kSchedule, kPod };

struct ObjectKey {
  ObjectKind kind = ObjectKind::kQueue;
  std::string namespace_name;
  std::string name;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

// An object with its spec and status as JSON text; immutable once stored.
struct Object {
  ObjectKey key;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;  // counts changes of the spec
  TimePoint created_at;
  std::optional<TimePoint> deletion_time;  // being deleted, gone once its grace is over
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  // Its controller, always a Queue; the owner's deletion takes it along.
  std::string owner_uid;
  std::string owner_name;
  std::string replicas_manager;  // of a Queue: the field manager spec.replicas belongs to, if set
  std::string spec_json = "{}";
  std::string status_json = "{}";
};

enum class EventType { kAdded, kModified, kDeleted };

struct WatchEvent {
  EventType type = EventType::kAdded;
  Object object;
};

// Ends its watch when destroyed; no event is delivered after that.
class Watch {
 public:
  virtual ~Watch() = default;
};

// Any thread. Calls may block on the network; every call fails with kUnavailable when it cannot be
// answered.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual Result<Object> get(const ObjectKey& key) = 0;  // kNotFound
  virtual Result<std::vector<Object>> list(ObjectKind kind) = 0;
  // Calls `on_event` for everything there is (kAdded), then `on_synced` once, then `on_event` for
  // each change, in order, from one thread at a time. Broken connections are mended inside: what
  // was missed is delivered as the difference.
  virtual std::unique_ptr<Watch> watch(ObjectKind kind,
                                       std::function<void(const WatchEvent&)> on_event,
                                       std::function<void()> on_synced = {}) = 0;

  // Assigns uid, resource version and generation 1. kConflict when the name is taken.
  virtual Result<Object> create(Object object) = 0;
  // Creates it or sets spec, labels and annotations; the status is left alone. Nothing changes (and
  // no event is sent) when they are the same already.
  virtual Result<Object> apply(Object object) = 0;
  // kConflict when `resource_version` is set and not the stored one. No event when nothing changed.
  virtual Result<Object> update_status(const ObjectKey& key, const std::string& resource_version,
                                       std::string status_json) = 0;
  // Sets a Queue's spec.replicas as the operator's own field (kFieldManager). kConflict when it
  // belongs to another manager: a pin, which is left alone. No event when nothing changed.
  virtual Result<Object> set_replicas(const ObjectKey& queue, int replicas) = 0;
  // Whether `pod` would be created, without doing it. kInvalidArgument with the reason when not.
  virtual Status check_pod(const Object& pod) = 0;
  // Pods get a deletion time and go when remove() is called by what runs them; other kinds go at
  // once. `uid` guards against deleting a successor (kConflict). kNotFound when there is none.
  virtual Status remove(const ObjectKey& key, const std::string& uid) = 0;
};

}  // namespace sluice::op
