// Which worker pods to create, drain, undrain and delete.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/api/resources.h"
#include "common/base/clock.h"

namespace sluice::op {

enum class PodPhase { kPending, kRunning, kSucceeded, kFailed };

// A pod of the queue, as far as the plan looks.
struct PodFacts {
  std::string name;
  std::string uid;  // the worker's instance
  std::string template_hash;
  std::string injected_version;
  PodPhase phase = PodPhase::kPending;
  bool ready = false;
  bool deleting = false;  // has a deletion timestamp
  TimePoint created_at;
  int restarts = 0;
  // Of the first container that waits, or "Unschedulable": "ImagePullBackOff", "HandlerNotFound"…
  std::string waiting_reason;
  std::string waiting_message;
  std::optional<int> exit_code;  // ended pods
  std::string end_reason;        // ended pods: "Completed", "OOMKilled", "Evicted"…
  std::string end_message;       // ended pods: what it said last
  bool reported_gone = false;    // its end was already told to the broker
};

struct PoolInput {
  std::string queue;
  std::string queue_uid;
  std::string template_hash;  // of today's template and worker settings
  std::string injected_version;
  int desired = 0;
  int lease_seconds = 30;
  api::Rollout rollout;
  std::vector<PodFacts> pods;
  // The broker's view of the workers, absent when it cannot be asked: then nothing drains or is
  // deleted.
  std::optional<std::vector<api::WorkerFigures>> workers;
  std::optional<TimePoint> create_not_before;  // backoff after pods that failed to start
  std::string create_error;                    // the last refusal to create one, if it stands
  std::string start_error;                     // how the last pod that failed to start ended
  bool is_failing_to_start = false;            // one pod at a time until one is ready
  bool may_create = true;                      // the template makes pods
};

struct CreatePod {
  int ordinal = 0;
  std::string name;
  friend bool operator==(const CreatePod&, const CreatePod&) = default;
};
struct DrainWorker {
  std::string pod;
  std::string instance;
  friend bool operator==(const DrainWorker&, const DrainWorker&) = default;
};
struct UndrainWorker {
  std::string pod;
  std::string instance;
  friend bool operator==(const UndrainWorker&, const UndrainWorker&) = default;
};
struct DeletePod {
  std::string pod;
  std::string uid;
  friend bool operator==(const DeletePod&, const DeletePod&) = default;
};
// Tell the broker that the pod ended, then delete it.
struct ReportGone {
  std::string pod;
  std::string instance;
  std::string cause;  // "Disruption", "Crash", "Unknown"
  friend bool operator==(const ReportGone&, const ReportGone&) = default;
};
using PoolAction = std::variant<CreatePod, DrainWorker, UndrainWorker, DeletePod, ReportGone>;

struct PoolPlan {
  std::vector<PoolAction> actions;
  int replicas = 0;  // pods that exist and have not ended
  int ready_replicas = 0;
  int counted = 0;              // ordered or ready, not draining: what scaling calls `current`
  std::string progress_reason;  // for Progressing: "Rolled", "Rolling", "Stalled"
  std::string progress_message;
  std::optional<Duration> requeue_after;
};

// Pure. Growth undrains before it creates; idle workers drain first, then those with least to lose;
// a pod is deleted when its worker reports draining and holding 0, or has been silent for
// leaseSeconds while the broker shows it running 0; never while it holds a live lease. Workers of
// another injected version are capacity like any other, and are replaced while they are idle.
PoolPlan plan_pool(const PoolInput& input, TimePoint now);

// How many of `pods` count as capacity: ordered or ready, not ended, deleting or draining.
int counted_pods(const PoolInput& input);

// "{queue, cut to 45}-{10-character hash of queue name and uid, template, version}-{ordinal}"
std::string pod_name(const PoolInput& input, int ordinal);

// The number a pod's name ends in; absent for a name that is not one of ours.
std::optional<int> pod_ordinal(const std::string& name);

// What the broker is told of an ended pod: "Disruption" moves no counter, "Crash" is the job's
// doing.
std::string gone_cause(const PodFacts& pod);

// A short stable hash of the worker settings a pod is made from.
std::string template_hash(const api::WorkerSpec& worker);

// Whether a worker of that name was a pod of the queue: pod_name()'s shape.
bool is_pod_name(const std::string& queue, const std::string& worker);

}  // namespace sluice::op
