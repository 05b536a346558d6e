// What a Queue resource asks of the broker, and what its status says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/api/resources.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/plan/conditions.h"
#include "operator/plan/pool_plan.h"
#include "operator/plan/scaling.h"

namespace sluice::op {

// The queue as the broker holds it.
struct BrokerQueue {
  std::string uid;
  std::int64_t generation = 0;
  bool retained = false;
  std::string spec_json;  // canonical, as api::encode writes it
  api::QueueFigures figures;
  std::vector<api::WorkerFigures> workers;
};

struct QueueStatus {
  std::vector<Condition> conditions;
  std::optional<api::QueueFigures> figures;  // absent: unknown, the figures of before stay
  int replicas = 0;
  int ready_replicas = 0;
  int desired_replicas = 0;
  std::string selector;
  std::int64_t observed_generation = 0;
};

// Whether a pod can be made from the template.
struct TemplateCheck {
  bool is_valid = false;
  std::string reason;  // "Missing", "Refused"; of the TemplateValid condition
  std::string message;
};

struct QueueInput {
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  api::QueueSpec spec;
  std::vector<PodFacts> pods;
  bool broker_reachable = true;
  std::optional<BrokerQueue> broker_queue;  // absent: the broker has none of that name
  std::optional<Error> configure_error;     // of the last PUT of this generation
  std::optional<Error> decode_error;        // the stored spec is not valid: nothing is done
  std::vector<Condition> conditions_before;
  ScalingMemory scaling_memory;
  std::optional<int> pinned;  // spec.replicas, when another manager owns it
  std::string pinned_by;
  bool is_failing_to_start = false;  // as StartFailures tells, like the next three
  std::optional<TimePoint> create_not_before;
  std::string create_error;
  std::string start_error;
  std::optional<TemplateCheck> template_check;  // of this generation's template
  std::optional<int> grace_seconds;             // the template's terminationGracePeriodSeconds
  std::string injected_version;
};

struct QueuePlan {
  bool put_config = false;  // PUT spec_json with uid and generation
  std::string spec_json;
  std::vector<PoolAction> pool_actions;
  std::optional<int> set_replicas;  // spec.replicas is to show the size
  ScalingMemory scaling_memory;
  QueueStatus status;
  std::optional<Duration> requeue_after;
};

QueuePlan plan_queue(const QueueInput& input, TimePoint now);

// The label selector of the queue's worker pods, as `/scale` readers want it.
std::string pod_selector(const std::string& queue);

}  // namespace sluice::op
