#include "operator/kube/pod_digest.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "operator/controller/json_read.h"

namespace sluice::kube {
namespace {

using nlohmann::json;
using op::member;
using op::text_at;

void keep(const json& from, json& into, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const json& value = member(from, name);
    if (!value.is_null()) into[name] = value;
  }
}

json digest_state(const json& state) {
  json kept = json::object();
  if (const json& waiting = member(state, "waiting"); waiting.is_object()) {
    keep(waiting, kept["waiting"] = json::object(), {"reason", "message"});
  }
  if (const json& ended = member(state, "terminated"); ended.is_object()) {
    keep(ended, kept["terminated"] = json::object(), {"exitCode", "reason", "message"});
  }
  return kept;
}

json digest_container(const json& container) {
  json kept = json::object();
  keep(container, kept, {"name", "ready", "restartCount"});
  kept["state"] = digest_state(member(container, "state"));
  if (json before = digest_state(member(container, "lastState")); !before.empty()) {
    kept["lastState"] = std::move(before);
  }
  return kept;
}

bool ended_well(const json& container) {
  const json& ended = member(member(container, "state"), "terminated");
  return ended.is_object() && op::integer_at(ended, "exitCode") == 0;
}

bool is_worth_keeping(const json& condition) {
  const std::string type = text_at(condition, "type");
  const std::string status = text_at(condition, "status");
  return type == "Ready" || (type == "PodScheduled" && status != "True") ||
         (type == "DisruptionTarget" && status == "True");
}

std::string first_container_name(const json& pod) {
  const json& containers = member(member(pod, "spec"), "containers");
  return containers.is_array() && !containers.empty() ? text_at(containers.front(), "name") : "";
}

json digest_containers(const json& pod) {
  json kept = json::array();
  const std::string first = first_container_name(pod);
  for (const json& container : member(member(pod, "status"), "containerStatuses")) {
    const bool is_first = text_at(container, "name") == first;
    kept.insert(is_first ? kept.begin() : kept.end(), digest_container(container));
  }
  return kept;
}

}  // namespace

std::string digest_pod_status(const json& pod) {
  const json& status = member(pod, "status");
  json kept = json::object();
  keep(status, kept, {"phase", "reason", "message"});
  json conditions = json::array();
  for (const json& condition : member(status, "conditions")) {
    if (!is_worth_keeping(condition)) continue;
    keep(condition, conditions.emplace_back(json::object()),
         {"type", "status", "reason", "message"});
  }
  json init_containers = json::array();
  for (const json& container : member(status, "initContainerStatuses")) {
    if (!ended_well(container)) init_containers.push_back(digest_container(container));
  }
  kept["conditions"] = std::move(conditions);
  kept["containerStatuses"] = digest_containers(pod);
  if (!init_containers.empty()) kept["initContainerStatuses"] = std::move(init_containers);
  return op::dump_json(kept);
}

}  // namespace sluice::kube
