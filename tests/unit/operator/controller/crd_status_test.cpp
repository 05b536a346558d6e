// What the operator writes as a status against the schemas of crds/: the same members.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "common/api/document.h"
#include "operator/controller/status_codec.h"

namespace sluice::op {
namespace {

using nlohmann::json;

json status_schema_of(const std::string& plural) {
  const char* const root = std::getenv("SLUICE_SOURCE_DIR");
  std::ostringstream text;
  text << std::ifstream(std::string(root == nullptr ? "." : root) + "/crds/" + plural + ".yaml")
              .rdbuf();
  const auto documents = api::parse_yaml(text.str());
  if (documents.size() != 1 || !documents[0].errors.empty()) return json::object();
  const json& version = documents[0].tree->at("spec").at("versions").at(0);
  return version.at("schema").at("openAPIV3Schema").at("properties").at("status");
}

void add_declared(const json& schema, const std::string& path, std::set<std::string>& out) {
  if (schema.contains("items")) return add_declared(schema.at("items"), path + "[]", out);
  if (!schema.contains("properties")) return;
  for (const auto& [name, member] : schema.at("properties").items()) {
    out.insert(path + "." + name);
    add_declared(member, path + "." + name, out);
  }
}

void add_written(const json& value, const std::string& path, std::set<std::string>& out) {
  if (value.is_array()) {
    for (const json& item : value) add_written(item, path + "[]", out);
  }
  // A result is whatever the handler returned.
  if (!value.is_object() || path == ".result") return;
  for (const auto& [name, member] : value.items()) {
    out.insert(path + "." + name);
    add_written(member, path + "." + name, out);
  }
}

std::set<std::string> declared(const std::string& plural) {
  std::set<std::string> fields;
  add_declared(status_schema_of(plural), "", fields);
  return fields;
}

std::set<std::string> written(const std::string& status) {
  std::set<std::string> fields;
  add_written(json::parse(status), "", fields);
  return fields;
}

constexpr TimePoint kNow{std::chrono::seconds{1'795'000'000}};
const std::vector<Condition> kConditions = {{.type = "Ready",
                                             .status = "True",
                                             .reason = "Configured",
                                             .message = "m",
                                             .last_transition_time = kNow,
                                             .observed_generation = 1}};

TEST(CrdStatus, QueueHasTheMembersThatAreWritten) {
  api::QueueFigures figures;
  figures.oldest_ready_time = kNow;
  QueueStatus status;
  status.conditions = kConditions;
  status.figures = figures;
  status.selector = "a=b";

  EXPECT_EQ(written(encode(status)), declared("queues"));
}

TEST(CrdStatus, JobHasTheMembersThatAreWritten) {
  JobStatus status;
  status.conditions = kConditions;
  status.state = "Succeeded";
  status.job_id = "id";
  status.start_time = kNow;
  status.completion_time = kNow;
  status.result_json = R"({"any": "thing"})";
  status.result_truncated = true;
  status.last_error = "e";
  status.worker = "w";

  EXPECT_EQ(written(encode(status)), declared("jobs"));
}

TEST(CrdStatus, ScheduleHasTheMembersThatAreWritten) {
  ScheduleStatus status;
  status.conditions = kConditions;
  status.last_schedule_time = kNow;
  status.next_schedule_time = kNow;
  status.recent = {{kNow, "id", "Enqueued"}};

  EXPECT_EQ(written(encode(status, "token")), declared("schedules"));
}

}  // namespace
}  // namespace sluice::op
