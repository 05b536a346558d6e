#include "cli/job_line.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/document.h"
#include "cli/raw_json.h"

namespace sluice::cli {
namespace {

// Handed on as the broker shows them. Not the schedule: an old tick would be dropped.
constexpr std::string_view kKept[] = {
    "id",        "priority", "expiresAt",      "tenant",
    "key",       "labels",   "retry",          "callback",
    "uniqueKey", "source",   "timeoutSeconds", "ttlSecondsAfterFinished",
};

}  // namespace

std::optional<std::string> export_line(std::string_view job) {
  const auto members = raw_members(job);
  const std::string_view payload = raw_member(members, "payload");
  if (payload.empty()) return std::nullopt;
  std::string line = "{";
  const auto add = [&line](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    if (line.size() > 1) line += ',';
    line.append("\"").append(name).append("\":").append(value);
  };
  for (const std::string_view name : kKept) add(name, raw_member(members, name));
  // A job that was due once, or whose parents are done, needs neither again.
  const std::string_view state = raw_member(members, "state");
  const bool is_blocked = state == R"("Blocked")";
  if (is_blocked || state == R"("Scheduled")") add("runAt", raw_member(members, "dueAt"));
  if (is_blocked) {
    add("dependsOn", raw_member(members, "dependsOn"));
    add("onParentFailure", raw_member(members, "onParentFailure"));
  }
  add("payload", payload);
  line += '}';
  // In JSON these stand between values alone.
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\r', ' ');
  return line;
}

Result<std::string> import_body(std::string_view line) {
  const auto refuse = [](std::string why) {
    return Error{ErrorCode::kInvalidArgument, std::move(why)};
  };
  if (!is_json(line)) return refuse("the line is not JSON: " + json_mistake(line));
  const auto members = raw_members(line);
  if (members.empty()) return refuse("the line is no object: `sluice export` writes one a line");
  if (raw_member(members, "payload").empty()) return refuse("the job has no payload");
  if (raw_member(members, "id").empty()) {
    return refuse("the job has no id, which keeps it from being made twice");
  }
  return std::string(line);
}

}  // namespace sluice::cli
