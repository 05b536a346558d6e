#include "operator/controller/pod_status.h"

#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "operator/controller/json_read.h"
#include "operator/controller/pod_builder.h"

namespace sluice::op {
namespace {

using nlohmann::json;

constexpr std::pair<PodPhase, const char*> kPhases[] = {{PodPhase::kPending, "Pending"},
                                                        {PodPhase::kRunning, "Running"},
                                                        {PodPhase::kSucceeded, "Succeeded"},
                                                        {PodPhase::kFailed, "Failed"}};

// Containers start one after the other, so the first that waits is what holds the pod up.
void read_waiting(const json& document, PodStatus& status) {
  for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
    for (const json& container : member(document, list)) {
      const json& waiting = member(member(container, "state"), "waiting");
      if (!waiting.is_object()) continue;
      status.waiting_reason = text_at(waiting, "reason");
      status.waiting_message = text_at(waiting, "message");
      // A container that ends again and again has said why when it ended last.
      const json& last = member(member(container, "lastState"), "terminated");
      if (const std::string why = text_at(last, "message"); !why.empty()) {
        status.waiting_message += "; it ended with: " + why;
      }
      return;
    }
  }
}

const json& first_of(const json& list) {
  static const json kNull;
  return list.is_array() && !list.empty() ? list.front() : kNull;
}

}  // namespace

std::string encode(const PodStatus& status) {
  json state = json::object();
  if (!status.waiting_reason.empty()) {
    state["waiting"] = {{"reason", status.waiting_reason}, {"message", status.waiting_message}};
  }
  if (status.exit_code) {
    state["terminated"] = {{"exitCode", *status.exit_code},
                           {"reason", status.end_reason},
                           {"message", status.end_message}};
  }
  json document;
  for (const auto& [phase, name] : kPhases) {
    if (phase == status.phase) document["phase"] = name;
  }
  document["conditions"] =
      json::array({json{{"type", "Ready"}, {"status", status.ready ? "True" : "False"}}});
  document["containerStatuses"] = json::array({json{
      {"restartCount", status.restarts}, {"ready", status.ready}, {"state", std::move(state)}}});
  return dump_json(document);
}

PodStatus decode_pod_status(std::string_view text) {
  const json document = parse_json(text);
  PodStatus status;
  const std::string phase_name = text_at(document, "phase");
  for (const auto& [phase, name] : kPhases) {
    if (phase_name == name) status.phase = phase;
  }
  for (const json& condition : member(document, "conditions")) {
    if (text_at(condition, "type") == "Ready")
      status.ready = text_at(condition, "status") == "True";
  }
  read_waiting(document, status);
  for (const json& condition : member(document, "conditions")) {
    if (text_at(condition, "reason") != "Unschedulable") continue;
    status.waiting_reason = "Unschedulable";
    status.waiting_message = text_at(condition, "message");
  }
  const json& container = first_of(member(document, "containerStatuses"));
  const json& state = member(container, "state");
  const json& terminated = member(state, "terminated");
  status.restarts = static_cast<int>(integer_at(container, "restartCount"));
  if (terminated.is_object()) {
    status.exit_code = static_cast<int>(integer_at(terminated, "exitCode"));
    status.end_reason = text_at(terminated, "reason");
    status.end_message = text_at(terminated, "message");
  }
  // The pod's own reason ("Evicted") explains more than its container's.
  if (const std::string reason = text_at(document, "reason"); !reason.empty()) {
    status.end_reason = reason;
  }
  return status;
}

PodFacts pod_facts(const Object& pod) {
  const PodStatus status = decode_pod_status(pod.status_json);
  PodFacts facts;
  facts.name = pod.key.name;
  facts.uid = pod.uid;
  const auto hash = pod.labels.find(kTemplateHashLabel);
  if (hash != pod.labels.end()) facts.template_hash = hash->second;
  const auto version = pod.labels.find(kInjectedVersionLabel);
  if (version != pod.labels.end()) facts.injected_version = version->second;
  facts.phase = status.phase;
  facts.ready = status.ready;
  facts.deleting = pod.deletion_time.has_value();
  facts.created_at = pod.created_at;
  facts.restarts = status.restarts;
  facts.waiting_reason = status.waiting_reason;
  facts.waiting_message = status.waiting_message;
  facts.exit_code = status.exit_code;
  facts.end_reason = status.end_reason;
  facts.end_message = status.end_message;
  return facts;
}

}  // namespace sluice::op
