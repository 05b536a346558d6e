// The enqueue call's body, made from what a Job or Schedule declares.
#pragma once

#include <string>
#include <vector>

#include "common/api/resources.h"
#include "common/base/clock.h"

namespace sluice::op {

// The payload's bytes are embedded as they are.

// `id` and `source`: a Job resource enqueued twice is one job. `parent_ids`: of spec.dependsOn, the
// jobs that the broker still knows.
std::string job_body(const api::JobSpec& spec, const std::string& uid, const std::string& name,
                     const std::vector<std::string>& parent_ids);

// One tick of a schedule: the broker decides by its policy, and only once per tick.
std::string tick_body(const api::ScheduleSpec& spec, const std::string& schedule_uid,
                      TimePoint tick);

// A schedule fired by hand: once per token, whatever the concurrency policy.
std::string trigger_body(const api::ScheduleSpec& spec, const std::string& schedule_uid,
                         const std::string& token);

}  // namespace sluice::op
