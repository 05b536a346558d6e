// When `--until-idle` may end.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operator/controller/broker_api.h"
#include "operator/controller/object_store.h"

namespace sluice::local {

// Why there is still something to do; absent when there is not: no queue holds a job that is Ready,
// Running, Blocked or Scheduled, and the end of every accepted Job stands in its status. Dead
// letters, Jobs that were never accepted and Schedules keep nothing alive. Pure.
std::optional<std::string> work_left(
    const std::vector<op::Object>& jobs,
    const std::vector<std::pair<op::QueueRef, op::BrokerQueue>>& queues);

// Jobs the broker never took, with the condition's message: what idle does not mean done for.
std::vector<std::string> jobs_not_accepted(const std::vector<op::Object>& jobs);

}  // namespace sluice::local
