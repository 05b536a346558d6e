// Statuses as the resources show them (docs/api.md), and what is read back from them.
#pragma once

#include <string>
#include <string_view>

#include "operator/plan/job_plan.h"
#include "operator/plan/queue_plan.h"
#include "operator/plan/schedule_plan.h"

namespace sluice::op {

// JSON text. Members without a value are left out; figures that are unknown are left out too, so
// the caller keeps those of before.
std::string encode(const QueueStatus& status);
std::string encode(const JobStatus& status);
// `trigger_token`: of the last trigger that was enqueued, kept as status.lastTrigger.
std::string encode(const ScheduleStatus& status, const std::string& trigger_token);

struct KeptScheduleStatus {
  ScheduleStatus status;
  std::string trigger_token;
};

// A status is ours, but people can edit it: what is missing or of another type is as if it had
// never been written (SURVIVAL 13).
QueueStatus decode_queue_status(std::string_view json);
JobStatus decode_job_status(std::string_view json);
KeptScheduleStatus decode_schedule_status(std::string_view json);

// Whether two statuses differ in more than figures and messages: such a change is written at once.
bool is_transition(const std::vector<Condition>& before, const std::vector<Condition>& after);

}  // namespace sluice::op
