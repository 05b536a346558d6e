// Schedule resources: ticks become jobs, the status says when.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "operator/controller/reconciler.h"
#include "operator/plan/schedule_plan.h"

namespace sluice::op {

class ScheduleReconciler final : public Reconciler {
 public:
  // A status that says nothing new but how many jobs run is written at most this often.
  static constexpr Duration kStatusEvery = std::chrono::seconds{60};

  explicit ScheduleReconciler(const ReconcileContext& context);

  Result<ReconcileResult> reconcile(const ObjectKey& key) override;

 private:
  struct Gathered {
    Object object;
    QueueRef queue;
    ScheduleInput input;
    int running = 0;
  };

  Result<Gathered> gather(const Object& object);
  // Enqueues what is due, oldest first, and notes each in the status.
  Status fire(const Gathered& gathered, SchedulePlan& plan);
  Result<std::optional<Duration>> apply_status(const Gathered& gathered, const SchedulePlan& plan);

  const ReconcileContext context_;
  std::mutex mutex_;
  std::map<ObjectKey, SteadyPoint> written_at_;
};

}  // namespace sluice::op
