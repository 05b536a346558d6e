#include "operator/controller/enqueue_body.h"

#include <nlohmann/json.hpp>

#include "common/api/decode.h"
#include "operator/controller/json_read.h"

namespace sluice::op {
namespace {

using nlohmann::json;

json members_of(const api::JobSpec& spec) {
  json body = json::object();
  if (spec.priority != api::JobSpec{}.priority) body["priority"] = spec.priority;
  if (spec.delay_seconds) body["delaySeconds"] = *spec.delay_seconds;
  if (spec.run_at) body["runAt"] = format_rfc3339(*spec.run_at);
  if (spec.expires_at) body["expiresAt"] = format_rfc3339(*spec.expires_at);
  if (!spec.tenant.empty()) body["tenant"] = spec.tenant;
  if (!spec.key.empty()) body["key"] = spec.key;
  if (!spec.labels.empty()) body["labels"] = spec.labels;
  if (spec.timeout_seconds) body["timeoutSeconds"] = *spec.timeout_seconds;
  if (spec.ttl_seconds_after_finished) {
    body["ttlSecondsAfterFinished"] = *spec.ttl_seconds_after_finished;
  }
  if (spec.retry) body["retry"] = parse_json(api::encode(*spec.retry));
  if (spec.callback) {
    json& callback = body["callback"] = {{"url", spec.callback->url}};
    if (!spec.callback->secret_name.empty()) callback["secretName"] = spec.callback->secret_name;
  }
  return body;
}

// Puts the payload in front as text: parsing it would change its bytes.
std::string with_payload(const std::string& payload, const json& members) {
  const std::string rest = dump_json(members);
  return "{\"payload\":" + payload + (members.empty() ? "}" : "," + rest.substr(1));
}

}  // namespace

std::string job_body(const api::JobSpec& spec, const std::string& uid, const std::string& name,
                     const std::vector<std::string>& parent_ids) {
  json members = members_of(spec);
  if (!parent_ids.empty()) {
    members["dependsOn"] = parent_ids;
    members["onParentFailure"] = api::to_string(spec.on_parent_failure);
  }
  if (!spec.idempotency_key.empty()) members["idempotencyKey"] = spec.idempotency_key;
  members["id"] = uid;
  members["source"] = {{"kind", "Job"}, {"uid", uid}, {"name", name}};
  return with_payload(spec.payload_json, members);
}

std::string tick_body(const api::ScheduleSpec& spec, const std::string& schedule_uid,
                      TimePoint tick) {
  json members = members_of(spec.job_template);
  members["schedule"] = {{"uid", schedule_uid},
                         {"tick", format_rfc3339(tick)},
                         {"policy", api::to_string(spec.concurrency_policy)}};
  return with_payload(spec.job_template.payload_json, members);
}

std::string trigger_body(const api::ScheduleSpec& spec, const std::string& schedule_uid,
                         const std::string& token) {
  json members = members_of(spec.job_template);
  members["idempotencyKey"] = "trigger/" + schedule_uid + "/" + token;
  return with_payload(spec.job_template.payload_json, members);
}

}  // namespace sluice::op
