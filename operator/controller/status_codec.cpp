#include "operator/controller/status_codec.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/controller/json_read.h"

namespace sluice::op {
namespace {

using nlohmann::json;

json to_json(const std::vector<Condition>& conditions) {
  json list = json::array();
  for (const Condition& condition : conditions) {
    list.push_back({{"type", condition.type},
                    {"status", condition.status},
                    {"reason", condition.reason},
                    {"message", condition.message},
                    {"lastTransitionTime", format_rfc3339(condition.last_transition_time)},
                    {"observedGeneration", condition.observed_generation}});
  }
  return list;
}

std::vector<Condition> conditions_at(const json& status) {
  std::vector<Condition> conditions;
  for (const json& value : member(status, "conditions")) {
    Condition condition;
    condition.type = text_at(value, "type");
    condition.status = text_at(value, "status");
    condition.reason = text_at(value, "reason");
    condition.message = text_at(value, "message");
    condition.last_transition_time = time_at(value, "lastTransitionTime").value_or(TimePoint{});
    condition.observed_generation = integer_at(value, "observedGeneration");
    if (!condition.type.empty()) conditions.push_back(std::move(condition));
  }
  return conditions;
}

void set_time(json& object, const char* name, const std::optional<TimePoint>& time) {
  if (time) object[name] = format_rfc3339(*time);
}

void set_text(json& object, const char* name, const std::string& text) {
  if (!text.empty()) object[name] = text;
}

}  // namespace

std::string encode(const QueueStatus& status) {
  json document;
  document["conditions"] = to_json(status.conditions);
  document["observedGeneration"] = status.observed_generation;
  document["replicas"] = status.replicas;
  document["readyReplicas"] = status.ready_replicas;
  document["desiredReplicas"] = status.desired_replicas;
  set_text(document, "selector", status.selector);
  if (status.figures) {
    document["backlog"] = status.figures->backlog;
    document["ready"] = status.figures->ready;
    document["scheduled"] = status.figures->scheduled;
    document["running"] = status.figures->running;
    document["dead"] = status.figures->dead;
    set_time(document, "oldestReadyTime", status.figures->oldest_ready_time);
  }
  return dump_json(document);
}

QueueStatus decode_queue_status(std::string_view text) {
  const json document = parse_json(text);
  QueueStatus status;
  status.conditions = conditions_at(document);
  status.observed_generation = integer_at(document, "observedGeneration");
  status.replicas = static_cast<int>(integer_at(document, "replicas"));
  status.ready_replicas = static_cast<int>(integer_at(document, "readyReplicas"));
  status.desired_replicas = static_cast<int>(integer_at(document, "desiredReplicas"));
  status.selector = text_at(document, "selector");
  if (member(document, "backlog").is_number_integer()) {
    api::QueueFigures figures;
    figures.backlog = integer_at(document, "backlog");
    figures.ready = integer_at(document, "ready");
    figures.scheduled = integer_at(document, "scheduled");
    figures.running = integer_at(document, "running");
    figures.dead = integer_at(document, "dead");
    figures.oldest_ready_time = time_at(document, "oldestReadyTime");
    status.figures = figures;
  }
  return status;
}

std::string encode(const JobStatus& status) {
  json document;
  document["conditions"] = to_json(status.conditions);
  set_text(document, "state", status.state);
  set_text(document, "jobId", status.job_id);
  document["attempts"] = status.attempts;
  document["leaseLosses"] = status.lease_losses;
  set_time(document, "startTime", status.start_time);
  set_time(document, "completionTime", status.completion_time);
  if (!status.result_json.empty()) {
    json result = parse_json(status.result_json);
    // A result that was cut is no JSON any more: its beginning is shown as text.
    document["result"] = result.is_discarded() ? json(status.result_json) : std::move(result);
  }
  if (status.result_truncated) document["resultTruncated"] = true;
  set_text(document, "lastError", status.last_error);
  set_text(document, "worker", status.worker);
  return dump_json(document);
}

JobStatus decode_job_status(std::string_view text) {
  const json document = parse_json(text);
  JobStatus status;
  status.conditions = conditions_at(document);
  status.state = text_at(document, "state");
  status.job_id = text_at(document, "jobId");
  status.attempts = static_cast<int>(integer_at(document, "attempts"));
  status.lease_losses = static_cast<int>(integer_at(document, "leaseLosses"));
  status.start_time = time_at(document, "startTime");
  status.completion_time = time_at(document, "completionTime");
  if (document.is_object() && document.contains("result")) {
    status.result_json = dump_json(document["result"]);
  }
  status.result_truncated = bool_at(document, "resultTruncated");
  status.last_error = text_at(document, "lastError");
  status.worker = text_at(document, "worker");
  return status;
}

std::string encode(const ScheduleStatus& status, const std::string& trigger_token) {
  json document;
  document["conditions"] = to_json(status.conditions);
  set_time(document, "lastScheduleTime", status.last_schedule_time);
  set_time(document, "nextScheduleTime", status.next_schedule_time);
  json recent = json::array();
  for (const auto& one : status.recent) {
    json entry = {{"tick", format_rfc3339(one.tick)}, {"result", one.result}};
    set_text(entry, "jobId", one.job_id);
    recent.push_back(std::move(entry));
  }
  document["recent"] = std::move(recent);
  document["running"] = status.running;
  set_text(document, "lastTrigger", trigger_token);
  return dump_json(document);
}

KeptScheduleStatus decode_schedule_status(std::string_view text) {
  const json document = parse_json(text);
  ScheduleStatus status;
  status.conditions = conditions_at(document);
  status.last_schedule_time = time_at(document, "lastScheduleTime");
  status.next_schedule_time = time_at(document, "nextScheduleTime");
  for (const json& entry : member(document, "recent")) {
    const auto tick = time_at(entry, "tick");
    if (tick) status.recent.push_back({*tick, text_at(entry, "jobId"), text_at(entry, "result")});
  }
  status.running = static_cast<int>(integer_at(document, "running"));
  return {std::move(status), text_at(document, "lastTrigger")};
}

bool is_transition(const std::vector<Condition>& before, const std::vector<Condition>& after) {
  return !std::equal(before.begin(), before.end(), after.begin(), after.end(),
                     [](const Condition& a, const Condition& b) {
                       return a.type == b.type && a.status == b.status && a.reason == b.reason &&
                              a.observed_generation == b.observed_generation;
                     });
}

}  // namespace sluice::op
