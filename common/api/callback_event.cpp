#include "common/api/callback_event.h"

#include <nlohmann/json.hpp>

#include "common/api/json_text.h"

namespace sluice::api {
namespace {

using nlohmann::json;

std::string_view type_of(JobState state) {
  switch (state) {
    case JobState::kDead:
      return "job.dead";
    case JobState::kCancelled:
      return "job.cancelled";
    default:
      return "job.succeeded";
  }
}

std::string enclose(std::string_view type, TimePoint at, const std::string& data) {
  const json envelope = {{"type", type}, {"timestamp", format_rfc3339(at)}};
  return with_member(dump(envelope), "data", data);
}

}  // namespace

std::string encode(const GroupEvent& event) {
  const json group = {{"id", event.id},
                      {"namespace", event.namespace_name},
                      {"queue", event.queue},
                      {"total", event.total},
                      {"succeeded", event.succeeded},
                      {"dead", event.dead},
                      {"cancelled", event.cancelled},
                      {"createdAt", format_rfc3339(event.created_at)},
                      {"finishedAt", format_rfc3339(event.finished_at)}};
  return enclose("group.finished", event.finished_at, dump(group));
}

std::string encode(const CallbackEvent& event) {
  json job = {{"id", event.id},
              {"namespace", event.namespace_name},
              {"queue", event.queue},
              {"state", to_string(event.state)},
              {"attempts", event.attempts},
              {"createdAt", format_rfc3339(event.created_at)},
              {"finishedAt", format_rfc3339(event.finished_at)}};
  if (!event.labels.empty()) job["labels"] = event.labels;
  if (event.error) {
    job["error"] = {{"reason", event.error->reason}, {"message", event.error->message}};
  }
  std::string data = dump(job);
  if (!event.result_json.empty()) data = with_member(std::move(data), "result", event.result_json);
  return enclose(type_of(event.state), event.finished_at, data);
}

}  // namespace sluice::api
