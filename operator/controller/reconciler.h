// What a reconciler is.
#pragma once

#include <optional>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/controller/broker_api.h"
#include "operator/controller/broker_view.h"
#include "operator/controller/event_recorder.h"
#include "operator/controller/object_cache.h"
#include "operator/controller/object_store.h"
#include "operator/controller/pod_builder.h"
#include "operator/controller/work_queue.h"

namespace sluice::op {

// When to come again without anything having happened; absent: not before something does.
struct ReconcileResult {
  std::optional<Duration> requeue_after;
};

// Brings the world one step closer to what the object under a key declares: gather what there is,
// plan (pure, operator/plan), apply. Idempotent, so it may end between any two calls, and be called
// for any key at any time (SURVIVAL 6). An error means: again, after a backoff.
//
// Threads: any; never for one key at the same time.
class Reconciler {
 public:
  virtual ~Reconciler() = default;
  virtual Result<ReconcileResult> reconcile(const ObjectKey& key) = 0;
};

// What every reconciler works with; all of it outlives them.
struct ReconcileContext {
  ObjectStore& store;
  BrokerApi& broker;
  ObjectCache& cache;
  BrokerView& view;
  WorkQueue& queue;
  const PodTemplateBuilder& pods;
  EventRecorder& events;
  const Clock& clock;
};

// The object under `key`, read past the cache, which is brought up to date; absent when there is
// none.
Result<std::optional<Object>> read_live(const ReconcileContext& context, const ObjectKey& key);

// Writes the status unless it stands there already. A conflict or a vanished object is no failure
// (SURVIVAL 4): the cache is refreshed, the key queued again, and the answer is false.
Result<bool> write_status(const ReconcileContext& context, const Object& object,
                          std::string status_json);

}  // namespace sluice::op
