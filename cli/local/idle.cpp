#include "cli/local/idle.h"

#include <algorithm>

#include "operator/controller/status_codec.h"

namespace sluice::local {
namespace {

bool has_condition(const op::JobStatus& status, std::string_view type, std::string_view value) {
  return std::any_of(
      status.conditions.begin(), status.conditions.end(),
      [&](const op::Condition& one) { return one.type == type && one.status == value; });
}

bool has_ended(const op::JobStatus& status) {
  return has_condition(status, "Complete", "True") || has_condition(status, "Failed", "True");
}

}  // namespace

std::optional<std::string> work_left(
    const std::vector<op::Object>& jobs,
    const std::vector<std::pair<op::QueueRef, op::BrokerQueue>>& queues) {
  for (const auto& [queue, held] : queues) {
    const api::QueueFigures& figures = held.figures;
    if (figures.ready + figures.running + figures.blocked + figures.scheduled > 0) {
      return "queue " + queue.name + " has jobs to run";
    }
  }
  for (const op::Object& job : jobs) {
    const op::JobStatus status = op::decode_job_status(job.status_json);
    // Unknown is neither taken nor refused: the broker was not asked yet, or was away.
    if (has_ended(status) || has_condition(status, "Accepted", "False")) continue;
    return "job " + job.key.name + " has not ended";
  }
  return std::nullopt;
}

std::vector<std::string> jobs_not_accepted(const std::vector<op::Object>& jobs) {
  std::vector<std::string> lines;
  for (const op::Object& job : jobs) {
    const op::JobStatus status = op::decode_job_status(job.status_json);
    for (const op::Condition& one : status.conditions) {
      if (one.type != "Accepted" || one.status != "False" || has_ended(status)) continue;
      lines.push_back("Job " + job.key.namespace_name + "/" + job.key.name +
                      " was not accepted: " + one.reason + ": " + one.message);
    }
  }
  return lines;
}

}  // namespace sluice::local
