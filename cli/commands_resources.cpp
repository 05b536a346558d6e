// `sluice get jobs` and `get schedules`: resources as local mode declared them.
//
// They live in the object store, not in the broker; `sluice dev` keeps it in DATA/objects.json.
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>

#include "cli/commands.h"
#include "cli/queue_view.h"
#include "cli/table.h"

namespace sluice::cli {
namespace {

using Align = Column::Align;

// The file's spec and status are JSON inside a string; here they are documents again.
Json unfolded(const Json& object) {
  Json resource = {{"kind", text_of(object, "kind")},
                   {"namespace", text_of(object, "namespace")},
                   {"name", text_of(object, "name")},
                   {"uid", text_of(object, "uid")},
                   {"createdAt", text_of(object, "createdAt")}};
  for (const char* part : {"spec", "status"}) {
    resource[part] = parse_json(text_of(object, part)).value_or(Json::object());
  }
  return resource;
}

std::optional<Json> read_resources(const Context& context, const GetResourcesCommand& command,
                                   std::string_view kind) {
  const std::string path = command.data_folder + "/objects.json";
  std::ifstream file(path);
  if (!file) {
    say(context, "cannot read " + path + ": " + std::string(kind) +
                     " resources are kept by `sluice dev`; name its folder with --data");
    return std::nullopt;
  }
  std::ostringstream text;
  text << file.rdbuf();
  const auto document = parse_json(text.str());
  if (!document || !child_of(*document, "objects").is_array()) {
    say(context, path + " is not what `sluice dev` writes; is --data right?");
    return std::nullopt;
  }
  Json chosen = Json::array();
  for (const Json& object : child_of(*document, "objects")) {
    if (text_of(object, "kind") != kind) continue;
    if (text_of(object, "namespace") != context.server.namespace_name()) continue;
    chosen.push_back(unfolded(object));
  }
  return chosen;
}

// Why a resource is not further than it is: the message of the first condition that is not true.
std::string complaint_of(const Json& status) {
  for (const Json& condition : child_of(status, "conditions")) {
    const std::string type = text_of(condition, "type");
    const bool good = text_of(condition, "status") == (type == "Failed" ? "False" : "True");
    // A job that has not ended yet is no complaint.
    if (good || type == "Complete") continue;
    const std::string reason = text_of(condition, "reason");
    const std::string message = text_of(condition, "message");
    if (message.empty()) return reason;
    return reason.empty() ? message : reason + ": " + message;
  }
  return {};
}

Table jobs_table(const Json& jobs, TimePoint now) {
  Table table({{"NAME"},
               {"QUEUE"},
               {"STATE"},
               {"ATTEMPTS", Align::kRight},
               {"AGE", Align::kRight},
               {"DETAIL", Align::kLeft, true}});
  for (const Json& job : jobs) {
    const Json& status = child_of(job, "status");
    std::string detail = text_of(status, "state") == "Succeeded" ? text_of(status, "result")
                                                                 : text_of(status, "lastError");
    if (detail.empty()) detail = complaint_of(status);
    table.add_row({text_of(job, "name"), text_of(child_of(job, "spec"), "queue"),
                   text_of(status, "state"), text_of(status, "attempts"),
                   format_age_of(text_of(job, "createdAt"), now), std::move(detail)});
  }
  return table;
}

Table schedules_table(const Json& schedules, TimePoint now) {
  Table table({{"NAME"},
               {"SCHEDULE"},
               {"ZONE"},
               {"LAST", Align::kRight},
               {"NEXT", Align::kRight},
               {"RUNNING", Align::kRight},
               {"DETAIL", Align::kLeft, true}});
  for (const Json& schedule : schedules) {
    const Json& spec = child_of(schedule, "spec");
    const Json& status = child_of(schedule, "status");
    const std::string zone = text_of(spec, "timeZone");
    const auto next = parse_rfc3339(text_of(status, "nextScheduleTime"));
    table.add_row({text_of(schedule, "name"), text_of(spec, "schedule"),
                   zone.empty() ? "UTC" : zone,
                   format_age_of(text_of(status, "lastScheduleTime"), now),
                   next ? format_age(*next - now) : "", text_of(status, "running"),
                   flag_of(spec, "suspend") ? "suspended" : complaint_of(status)});
  }
  return table;
}

}  // namespace

ExitCode run(const Context& context, const GetResourcesCommand& command) {
  const bool jobs = command.what == GetResourcesCommand::What::kJobs;
  const auto resources = read_resources(context, command, jobs ? "Job" : "Schedule");
  if (!resources) return ExitCode::kFailed;
  const Json document = {{jobs ? "jobs" : "schedules", *resources}};
  if (print_document(context, document)) return ExitCode::kOk;
  if (resources->empty()) {
    say(context, std::string("no ") + (jobs ? "Job" : "Schedule") + " resources in namespace " +
                     context.server.namespace_name() +
                     (jobs ? "; jobs of a queue: `sluice get jobs QUEUE`" : ""));
    return ExitCode::kOk;
  }
  const TimePoint now = context.clock.now().wall;
  print_table(context, jobs ? jobs_table(*resources, now) : schedules_table(*resources, now));
  return ExitCode::kOk;
}

}  // namespace sluice::cli
