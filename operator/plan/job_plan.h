// What a Job resource asks of the broker, and what its status says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/api/resources.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/plan/conditions.h"
#include "operator/plan/job_parents.h"

namespace sluice::op {

// The job as the broker last reported it (outcomes feed or GET).
struct BrokerJob {
  std::string id;
  api::JobState state = api::JobState::kReady;
  int attempts = 0;
  int lease_losses = 0;
  std::string worker;
  std::optional<TimePoint> started_at;
  std::optional<TimePoint> finished_at;
  std::string result_json;
  std::string error_reason;
  std::string error_message;
};

struct JobStatus {
  std::vector<Condition> conditions;
  std::string state;  // JobState as text; empty before it is accepted
  std::string job_id;
  int attempts = 0;
  int lease_losses = 0;
  std::optional<TimePoint> start_time;
  std::optional<TimePoint> completion_time;
  std::string result_json;  // at most kStatusResultBytesMax
  bool result_truncated = false;
  std::string last_error;
  std::string worker;
};

inline constexpr std::size_t kStatusResultBytesMax = 4096;

struct JobInput {
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  bool deleting = false;
  TimePoint created_at;
  std::optional<api::JobSpec> spec;  // absent with decode_error
  std::optional<Error> decode_error;
  JobStatus status_before;
  bool broker_reachable = true;
  bool queue_exists = true;             // a Queue resource of that name
  std::vector<JobParent> parents;       // of spec.dependsOn, in its order
  std::vector<std::string> cycle;       // it is part of: find_cycle()
  std::optional<BrokerJob> broker_job;  // absent: the broker has no record
  bool broker_job_known = false;        // whether broker_job was really asked for
  std::optional<Error> enqueue_error;   // of the last try
};

struct JobPlan {
  bool enqueue = false;
  std::vector<std::string> parent_ids;  // to enqueue it with
  bool cancel = false;                  // deleted before it ended
  bool acknowledge = false;             // the end stands in the status: let the record go
  bool remove = false;                  // its TTL is over: delete the resource
  bool ask_broker = false;              // accepted, and nothing known: GET the job
  JobStatus status;
  std::optional<Duration> requeue_after;
};

// How long a job that could not be enqueued waits for its next try, where nothing else wakes it.
inline constexpr Duration kEnqueueRetry = std::chrono::seconds{1};
inline constexpr std::size_t kLastErrorBytesMax = 1024;

// Pure. After a successful enqueue the caller plans again with `broker_job`: the status of a plan
// that enqueues does not say Accepted yet. Between acceptance, the first run and the end the status
// stays as it is. Once Accepted, a missing record is Failed, OutcomeUnknown: never a second run.
JobPlan plan_job(const JobInput& input, TimePoint now);

}  // namespace sluice::op
