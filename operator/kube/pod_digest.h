// The little of a pod's status that anything of ours reads.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace sluice::kube {

// {"phase", "reason", "message",
//  "conditions": Ready always, PodScheduled while False, DisruptionTarget when True,
//  "containerStatuses", "initContainerStatuses":
//    [{"name", "ready", "restartCount", "state", "lastState": {"waiting": {"reason", "message"} |
//      "terminated": {"exitCode", "reason", "message"}}}]}
//
// The kubelet sorts containers by name; here containers[0] of the spec comes first, because
// pod_status.h judges a pod by it. Init containers that ended well are left out.
std::string digest_pod_status(const nlohmann::json& pod);

}  // namespace sluice::kube
