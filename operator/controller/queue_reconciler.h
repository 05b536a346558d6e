// Queue resources: the broker's configuration, the worker pods, the status.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "operator/controller/reconciler.h"
#include "operator/controller/template_checker.h"
#include "operator/plan/queue_plan.h"
#include "operator/plan/start_failures.h"

namespace sluice::op {

class QueueReconciler final : public Reconciler {
 public:
  // Figures in a status change at most this often; transitions are written at once.
  static constexpr Duration kFiguresEvery = std::chrono::seconds{5};
  // What the broker holds is asked again after this long, in case a person changed it there.
  static constexpr Duration kAskEvery = std::chrono::seconds{60};

  // A worker without a pod is gone for sure when no watch has shown a pod for this long: another
  // leader's last pods may still be on their way to us.
  static constexpr Duration kMissingPodWait = std::chrono::seconds{10};

  // `start_backoff_seconds_max` bounds the wait before a pod is made again that failed to start.
  QueueReconciler(const ReconcileContext& context, std::string injected_version,
                  int start_backoff_seconds_max);

  Result<ReconcileResult> reconcile(const ObjectKey& key) override;

  // A pod is gone from the store: its queue's next reconcile tells the broker, so that the loss is
  // a disruption and spends nothing. From the watch's thread.
  void pod_vanished(const Object& pod);

 private:
  struct Gone {
    std::string worker;
    std::string instance;
  };

  struct OwnDrain {
    std::string worker;
    bool drain = false;
  };

  // What is known of a queue besides its object; rebuilt after a restart.
  struct Memory {
    std::uint64_t session = 0;  // of the broker, in which the next three were learnt
    std::optional<SteadyPoint> asked_at;
    std::optional<BrokerQueue> held;
    std::map<std::string, OwnDrain> own_drains;  // by instance, until the signals show them

    std::optional<Error> configure_error;  // of the generation below
    std::int64_t configure_generation = 0;
    int configure_failures = 0;
    SteadyPoint configure_not_before;

    TemplateChecker templates;
    ScalingMemory scaling;
    StartFailures starts;
    std::set<std::string> reported_gone;               // UIDs of ended pods
    std::map<std::string, SteadyPoint> missing_since;  // workers whose pod nobody sees, by UID
    std::optional<SteadyPoint> status_written_at;
  };

  struct Gathered {
    Object object;
    QueueRef ref;
    QueueInput input;
    std::vector<Object> orphans;  // pods of an earlier queue of this name
    std::optional<Error> broker_error;
  };

  Memory& memory_of(const ObjectKey& key);

  Result<Gathered> gather(const Object& object, Memory& memory);
  void gather_pods(Gathered& gathered, Memory& memory) const;
  void gather_starts(Gathered& gathered, Memory& memory) const;
  void check_template(Gathered& gathered, Memory& memory) const;
  Status gather_broker(Gathered& gathered, Memory& memory);
  static void add_unseen_drains(const Memory& memory, std::vector<api::WorkerFigures>& workers);
  // Whether another resource's hold on the broker's queue was ended.
  Result<bool> let_predecessor_go(const Gathered& gathered, Memory& memory);

  void put_config(Gathered& gathered, Memory& memory, const QueuePlan& plan);
  Status apply_pool(const Gathered& gathered, Memory& memory, const QueuePlan& plan);
  Status create_pod(const Gathered& gathered, Memory& memory, const CreatePod& action);
  Status drain(const Gathered& gathered, Memory& memory, const std::string& pod,
               const std::string& instance, bool drain);
  Status delete_pod(const ObjectKey& pod, const std::string& uid);
  Status report_gone(const Gathered& gathered, Memory& memory, const ReportGone& action);
  void report_vanished(const ObjectKey& key, Memory& memory);
  void report_missing(const Gathered& gathered, Memory& memory);
  Status show_replicas(const Gathered& gathered, const QueuePlan& plan);
  void record_events(const Gathered& gathered, const QueueStatus& before,
                     const QueueStatus& after) const;
  // How long until figures that were held back may be written.
  Result<std::optional<Duration>> apply_status(const Gathered& gathered, Memory& memory,
                                               QueueStatus status);

  // There is no such Queue: the broker's goes by the policy it was given, pods go by their grace.
  Result<ReconcileResult> let_go(const ObjectKey& key);

  const ReconcileContext context_;
  const std::string injected_version_;
  const int start_backoff_seconds_max_;
  std::mutex mutex_;
  std::map<ObjectKey, Memory> memories_;
  std::map<ObjectKey, std::vector<Gone>> vanished_;
};

}  // namespace sluice::op
