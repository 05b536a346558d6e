// Which changes of a status are worth an Event.
#pragma once

#include <vector>

#include "operator/controller/event_recorder.h"
#include "operator/plan/conditions.h"

namespace sluice::op {

// Records a Warning for each condition that has newly turned bad, under the condition's reason.
// What is only a step on the way (pods starting, a generation being configured) is none.
void record_changes(EventRecorder& events, const Object& about,
                    const std::vector<Condition>& before, const std::vector<Condition>& after);

}  // namespace sluice::op
