// Job resources: enqueued once, their outcome mirrored, then let go.
#pragma once

#include <optional>
#include <string>

#include "operator/controller/outcome_acks.h"
#include "operator/controller/parent_waits.h"
#include "operator/controller/reconciler.h"
#include "operator/plan/job_plan.h"

namespace sluice::op {

// Nothing it keeps between two calls is missed: everything stands in the object, the broker, or the
// outcomes feed.
class JobReconciler final : public Reconciler {
 public:
  explicit JobReconciler(const ReconcileContext& context);

  Result<ReconcileResult> reconcile(const ObjectKey& key) override;

  // Jobs that wait for this one to be accepted. Any thread.
  std::vector<ObjectKey> waiting_for(const ObjectKey& parent) const {
    return parent_waits_.waiting_for(parent);
  }

 private:
  struct Gathered {
    Object object;
    QueueRef queue;
    JobInput input;
    bool is_just_enqueued = false;
  };

  Gathered gather(const Object& object);
  void gather_parents(const Object& object, JobInput& input);
  // GETs the job where the plan needs to know; enqueues it. Both end in a new plan.
  Result<JobPlan> apply_broker(Gathered& gathered, JobPlan plan);
  Status take_reply(Gathered& gathered, const EnqueueResult& reply);
  Status apply_end(const Gathered& gathered, const JobPlan& plan);
  // Records whose resource is gone: cancelled, and acknowledged once they have ended.
  Status let_orphans_go(const ObjectKey& key, const std::string& live_uid);

  const ReconcileContext context_;
  OutcomeAcks acks_;
  ParentWaits parent_waits_;
};

}  // namespace sluice::op
