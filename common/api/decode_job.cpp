#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/api/decode_spec.h"
#include "common/api/limits.h"

namespace sluice::api {
namespace {

using nlohmann::json;

Callback read_callback(FieldReader& reader) {
  Callback callback;
  reader.require("url");
  reader.text("url", {1, kUrlCharactersMax}, callback.url);
  const bool is_http = callback.url.starts_with("http://") || callback.url.starts_with("https://");
  if (!callback.url.empty() && !is_http) {
    reader.error("url", "must begin with http:// or https://");
  }
  reader.text("secretName", {1, kObjectNameMax}, callback.secret_name);
  if (!callback.secret_name.empty() && !is_dns_subdomain(callback.secret_name)) {
    reader.error("secretName", "must be a Kubernetes name (lower-case letters, digits, - and .)");
  }
  reader.finish();
  return callback;
}

void read_queue_name(FieldReader& reader, std::string& queue) {
  reader.require("queue");
  reader.text("queue", {1, kQueueNameMax}, queue);
  if (!queue.empty() && !is_dns_label(queue, kQueueNameMax)) {
    reader.error("queue", "must be a DNS label of at most " + std::to_string(kQueueNameMax) +
                              " characters (lower-case letters, digits and -)");
  }
}

// null is a payload like any other; only an absent one is missing.
void read_payload(FieldReader& reader, std::string& payload_json) {
  reader.member("payload");
  if (const auto found = reader.raw().find("payload"); found != reader.raw().end()) {
    payload_json = found->dump();
  } else {
    reader.error("payload", "is required");
  }
}

void read_times(FieldReader& reader, JobSpec& spec) {
  reader.whole("delaySeconds", {0, kYearSeconds}, spec.delay_seconds);
  reader.time("runAt", spec.run_at);
  reader.time("expiresAt", spec.expires_at);
  reader.whole("timeoutSeconds", {1, kTimeoutSecondsMax}, spec.timeout_seconds);
  reader.whole("ttlSecondsAfterFinished", {0, kYearSeconds}, spec.ttl_seconds_after_finished);
  if (reader.has("delaySeconds") && reader.has("runAt")) {
    reader.error("runAt", "must not be given together with delaySeconds");
  }
}

void read_labels(FieldReader& reader, Labels& labels) {
  reader.each_member("labels", {0, kLabelsMax}, kLabelKeyCharactersMax,
                     [&](const std::string& key, const json& value, const std::string& path) {
                       if (auto text = reader.text_at(value, path, {0, kLabelValueCharactersMax})) {
                         labels[key] = std::move(*text);
                       }
                     });
}

void read_dependencies(FieldReader& reader, std::vector<std::string>& names) {
  reader.each("dependsOn", {0, kDependsOnMax}, [&](const json& item, const std::string& path) {
    auto name = reader.text_at(item, path, {1, kObjectNameMax});
    if (!name) return;
    if (!is_dns_subdomain(*name)) {
      reader.error_at(path, "must be the name of a Job (lower-case letters, digits, - and .)");
    } else if (std::find(names.begin(), names.end(), *name) != names.end()) {
      reader.error_at(path, "is there twice");
    } else {
      names.push_back(std::move(*name));
    }
  });
}

enum class Dependencies { kAllowed, kNot };

JobSpec read_job(FieldReader& reader, Dependencies dependencies) {
  JobSpec spec;
  read_queue_name(reader, spec.queue);
  read_payload(reader, spec.payload_json);
  reader.whole("priority", {0, kPriorityMax}, spec.priority);
  read_times(reader, spec);
  reader.text("tenant", {1, kTenantCharactersMax}, spec.tenant);
  reader.text("key", {1, kKeyCharactersMax}, spec.key);
  read_labels(reader, spec.labels);
  reader.text("idempotencyKey", {1, kIdempotencyKeyCharactersMax}, spec.idempotency_key);
  if (dependencies == Dependencies::kAllowed) {
    read_dependencies(reader, spec.depends_on);
  } else if (reader.member("dependsOn") != nullptr) {
    reader.error("dependsOn", "must be absent in a schedule's template");
  }
  reader.choice("onParentFailure", {ParentFailure::kDead, ParentFailure::kRun},
                spec.on_parent_failure);
  if (auto retry = reader.object("retry")) spec.retry = read_retry_policy(*retry);
  if (auto callback = reader.object("callback")) spec.callback = read_callback(*callback);
  reader.flag("suspend", spec.suspend);
  reader.finish();
  return spec;
}

}  // namespace

JobSpec read_job_spec(FieldReader& reader) {
  return read_job(reader, Dependencies::kAllowed);
}

JobSpec read_job_template(FieldReader& reader) {
  return read_job(reader, Dependencies::kNot);
}

}  // namespace sluice::api
