#include "cli/job_body.h"

#include <nlohmann/json.hpp>

#include "cli/document.h"
#include "common/base/ids.h"

namespace sluice::cli {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string json_text(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Error not_json(std::string_view text, std::string_view what) {
  return {ErrorCode::kInvalidArgument, std::string(what) + " is not JSON: " + json_mistake(text)};
}

}  // namespace

std::string line_key(std::string_view prefix, std::int64_t line_number) {
  return std::string(prefix) + '-' + std::to_string(line_number);
}

Result<std::string> job_body(const JobFields& fields, std::string_view payload,
                             std::string_view idempotency_key) {
  payload = trimmed(payload);
  if (!is_json(payload)) return not_json(payload, "the payload");

  std::string body = "{\"idempotencyKey\":" + json_text(idempotency_key);
  const auto add = [&body](std::string_view member, const std::string& value) {
    body.append(",\"").append(member).append("\":").append(value);
  };
  if (fields.priority) add("priority", std::to_string(*fields.priority));
  if (fields.delay_seconds) add("delaySeconds", std::to_string(*fields.delay_seconds));
  if (!fields.run_at.empty()) add("runAt", json_text(fields.run_at));
  if (!fields.expires_at.empty()) add("expiresAt", json_text(fields.expires_at));
  if (fields.timeout_seconds) add("timeoutSeconds", std::to_string(*fields.timeout_seconds));
  if (!fields.tenant.empty()) add("tenant", json_text(fields.tenant));
  if (!fields.key.empty()) add("key", json_text(fields.key));
  if (!fields.labels.empty()) add("labels", Json(fields.labels).dump());
  if (!fields.depends_on.empty()) add("dependsOn", Json(fields.depends_on).dump());
  if (fields.run_on_parent_failure) add("onParentFailure", json_text("Run"));
  if (!fields.unique_key.empty()) add("uniqueKey", json_text(fields.unique_key));
  if (fields.replace) add("onDuplicate", json_text("Replace"));
  if (!fields.callback.empty()) {
    Json callback = {{"url", fields.callback}};
    if (!fields.callback_secret.empty()) callback["secretName"] = fields.callback_secret;
    add("callback", callback.dump());
  }
  add("payload", std::string(payload));
  return body + '}';
}

Result<std::string> envelope_body(std::string_view line, std::string_view idempotency_key) {
  line = trimmed(line);
  const auto job = parse_json(line);
  if (!job) return not_json(line, "the job");
  if (!job->is_object()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the job is not a JSON object; without --envelope a line is the payload itself"};
  }
  if (!job->contains("payload")) {
    return Error{ErrorCode::kInvalidArgument, "the job has no payload", "payload"};
  }
  if (job->contains("idempotencyKey")) return std::string(line);
  // Not empty, so a member can follow; what is there keeps its bytes.
  return std::string(line.substr(0, line.size() - 1)) +
         ",\"idempotencyKey\":" + json_text(idempotency_key) + '}';
}

std::string group_id(std::string_view prefix) {
  // Two FNV-1a hashes; nobody has to be kept from finding another prefix with the same id.
  const auto hash = [prefix](std::uint64_t seed) {
    for (const char c : prefix) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return seed;
  };
  return to_string(Uuid{hash(0xcbf29ce484222325), hash(0x84222325cbf29ce4)});
}

std::string group_body(const GroupFields& fields, std::string_view id, bool open) {
  Json group = {{"id", id}};
  if (open) group["open"] = true;
  if (!fields.callback.empty()) {
    group["callback"] = {{"url", fields.callback}};
    if (!fields.callback_secret.empty()) group["callback"]["secretName"] = fields.callback_secret;
  }
  return group.dump();
}

std::string batch_body(const std::vector<std::string>& job_bodies, const std::string& group) {
  std::size_t bytes = 32 + group.size();
  for (const std::string& body : job_bodies) bytes += body.size() + 1;
  std::string batch;
  batch.reserve(bytes);
  batch = "{\"jobs\":[";
  for (std::size_t i = 0; i < job_bodies.size(); ++i) {
    if (i > 0) batch += ',';
    batch += job_bodies[i];
  }
  batch += ']';
  if (!group.empty()) batch += ",\"group\":" + group;
  return batch + '}';
}

}  // namespace sluice::cli
