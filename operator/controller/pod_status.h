// A pod's status, in the shape Kubernetes gives it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "operator/controller/object_store.h"
#include "operator/plan/pool_plan.h"

namespace sluice::op {

struct PodStatus {
  PodPhase phase = PodPhase::kPending;
  bool ready = false;
  int restarts = 0;
  // Of the first container that waits, init containers before others; "Unschedulable" when no node
  // takes the pod.
  std::string waiting_reason;
  std::string waiting_message;
  std::optional<int> exit_code;  // ended pods
  std::string end_reason;        // ended pods: "Completed", "Error", "OOMKilled", "Evicted"…
  std::string end_message;
};

// {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
//  "containerStatuses": [{"restartCount": 0, "ready": true,
//                         "state": {"waiting": {"reason"} | "terminated": {"exitCode", "reason",
//                         "message"}}}]}
std::string encode(const PodStatus& status);
// What is missing or of another type keeps its default.
PodStatus decode_pod_status(std::string_view json);

PodFacts pod_facts(const Object& pod);

}  // namespace sluice::op
