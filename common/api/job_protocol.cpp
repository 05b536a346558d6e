#include "common/api/job_protocol.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/api/json_text.h"
#include "common/api/reply_reader.h"

namespace sluice::api {
namespace {

using nlohmann::json;

constexpr std::array kJobStates = {JobState::kBlocked,  JobState::kScheduled, JobState::kReady,
                                   JobState::kRunning,  JobState::kSucceeded, JobState::kDead,
                                   JobState::kCancelled};
constexpr std::array kOutcomes = {Outcome::kSucceeded, Outcome::kFailed, Outcome::kReleased};

json to_json(const RunError& error) {
  json object{{"reason", error.reason}, {"message", error.message}};
  if (error.exit_code) object["exitCode"] = *error.exit_code;
  if (error.http_status) object["httpStatus"] = *error.http_status;
  if (error.retry_never) object["retry"] = "Never";
  return object;
}

json to_json(const LeaseReport& report) {
  json object{{"id", report.id}, {"lease", report.lease}};
  if (report.progress) {
    object["progress"] = {{"ratio", report.progress->ratio}, {"message", report.progress->message}};
  }
  return object;
}

std::string array_text(const std::vector<std::string>& items) {
  std::string list = "[";
  for (const std::string& item : items) {
    if (list.size() > 1) list += ',';
    list += item;
  }
  list += ']';
  return list;
}

std::string settlement_text(const Settlement& settlement) {
  json object{{"id", settlement.id},
              {"lease", settlement.lease},
              {"outcome", to_string(settlement.outcome)}};
  if (settlement.error) object["error"] = to_json(*settlement.error);
  if (settlement.retry_after_seconds) object["retryAfterSeconds"] = *settlement.retry_after_seconds;
  std::string text = dump(object);
  if (!settlement.result_json.empty()) {
    text = with_member(std::move(text), "result", settlement.result_json);
  }
  if (settlement.follow_ups.empty()) return text;
  return with_member(std::move(text), "enqueue", array_text(settlement.follow_ups));
}

ClaimedJob read_claimed(ReplyReader& reader) {
  ClaimedJob job;
  reader.require("id");
  reader.require("lease");
  reader.read("id", job.id);
  reader.read("lease", job.lease);
  reader.read("attempt", job.attempt);
  reader.read("leaseSeconds", job.lease_seconds);
  reader.read("timeoutSeconds", job.timeout_seconds);
  reader.read("deadline", job.deadline);
  reader.read("traceparent", job.traceparent);
  return job;
}

LeaseStatus read_lease_status(ReplyReader& reader) {
  std::string status;
  reader.require("status");
  reader.read("status", status);
  if (status == "ok") return LeaseStatus::kOk;
  if (status == "cancelled") return LeaseStatus::kCancelled;
  if (status != "lost") reader.fail("status", "is not ok, lost or cancelled");
  return LeaseStatus::kLost;
}

}  // namespace

std::string_view to_string(JobState state) {
  switch (state) {
    case JobState::kBlocked:
      return "Blocked";
    case JobState::kScheduled:
      return "Scheduled";
    case JobState::kReady:
      return "Ready";
    case JobState::kRunning:
      return "Running";
    case JobState::kSucceeded:
      return "Succeeded";
    case JobState::kDead:
      return "Dead";
    case JobState::kCancelled:
      return "Cancelled";
  }
  return "Ready";
}

std::optional<JobState> parse_job_state(std::string_view text) {
  const auto found = std::find_if(kJobStates.begin(), kJobStates.end(),
                                  [&](JobState state) { return to_string(state) == text; });
  if (found == kJobStates.end()) return std::nullopt;
  return *found;
}

bool has_ended(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kDead || state == JobState::kCancelled;
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSucceeded:
      return "Succeeded";
    case Outcome::kFailed:
      return "Failed";
    case Outcome::kReleased:
      return "Released";
  }
  return "Failed";
}

std::optional<Outcome> parse_outcome(std::string_view text) {
  const auto found = std::find_if(kOutcomes.begin(), kOutcomes.end(),
                                  [&](Outcome outcome) { return to_string(outcome) == text; });
  if (found == kOutcomes.end()) return std::nullopt;
  return *found;
}

std::string_view to_string(Pressure pressure) {
  switch (pressure) {
    case Pressure::kNone:
      return "None";
    case Pressure::kThrottle:
      return "Throttle";
    case Pressure::kReject:
      return "Reject";
  }
  return "None";
}

std::optional<Pressure> parse_pressure(std::string_view text) {
  for (const Pressure pressure : {Pressure::kNone, Pressure::kThrottle, Pressure::kReject}) {
    if (to_string(pressure) == text) return pressure;
  }
  return std::nullopt;
}

std::string_view to_string(CircuitState state) {
  switch (state) {
    case CircuitState::kClosed:
      return "Closed";
    case CircuitState::kOpen:
      return "Open";
    case CircuitState::kHalfOpen:
      return "HalfOpen";
  }
  return "Closed";
}

std::optional<CircuitState> parse_circuit_state(std::string_view text) {
  for (const CircuitState state :
       {CircuitState::kClosed, CircuitState::kOpen, CircuitState::kHalfOpen}) {
    if (to_string(state) == text) return state;
  }
  return std::nullopt;
}

std::string encode_claim_request(std::string_view worker, std::string_view instance, int max,
                                 int wait_seconds) {
  json object{{"worker", worker}, {"max", max}, {"waitSeconds", wait_seconds}};
  if (!instance.empty()) object["instance"] = instance;
  return dump(object);
}

std::string encode(const ExtendRequest& request) {
  json object{{"worker", request.worker},
              {"leases", json::array()},
              {"draining", request.draining},
              {"holding", request.holding}};
  if (!request.instance.empty()) object["instance"] = request.instance;
  for (const LeaseReport& report : request.leases) object["leases"].push_back(to_json(report));
  return dump(object);
}

std::string encode_settle_request(std::string_view worker,
                                  const std::vector<Settlement>& settlements) {
  std::vector<std::string> texts;
  texts.reserve(settlements.size());
  for (const Settlement& settlement : settlements) texts.push_back(settlement_text(settlement));
  return with_member(dump(json{{"worker", worker}}), "settlements", array_text(texts));
}

Result<ClaimReply> decode_claim_reply(std::string_view text) {
  ClaimReply reply;
  const Status status = read_reply(text, [&](ReplyReader& reader) {
    reader.require("jobs");
    reader.read("drain", reply.drain);
    reader.each("jobs", [&](ReplyReader& job) { reply.jobs.push_back(read_claimed(job)); });
  });
  if (!status) return status.error();

  // The parser may write numbers in another form; the handler gets the producer's bytes.
  const std::vector<std::string_view> items = item_texts(member_text(text, "jobs").value_or(""));
  for (std::size_t i = 0; i < reply.jobs.size(); ++i) {
    const auto payload = i < items.size() ? member_text(items[i], "payload") : std::nullopt;
    if (!payload) {
      return Error{.code = ErrorCode::kCorruption,
                   .message = "the answer has a job without its payload",
                   .field = "payload"};
    }
    reply.jobs[i].payload = *payload;
    const auto parents = member_text(items[i], "parents");
    if (parents && parents->starts_with('{')) reply.jobs[i].parents_json = *parents;
  }
  return reply;
}

Result<ExtendReply> decode_extend_reply(std::string_view text) {
  ExtendReply reply;
  const Status status = read_reply(text, [&](ReplyReader& reader) {
    reader.read("drain", reply.drain);
    reader.each("leases", [&](ReplyReader& item) {
      ExtendReply::Lease lease;
      item.require("id");
      item.read("id", lease.id);
      lease.status = read_lease_status(item);
      reply.leases.push_back(std::move(lease));
    });
  });
  if (!status) return status.error();
  return reply;
}

Result<SettleReply> decode_settle_reply(std::string_view text) {
  SettleReply reply;
  const Status status = read_reply(text, [&](ReplyReader& reader) {
    reader.require("results");
    reader.each("results", [&](ReplyReader& item) {
      SettleReply::One one;
      item.require("id");
      item.read("id", one.id);
      if (auto problem = item.object("error")) {
        one.status = 500;
        problem->read("status", one.status);
        problem->read("title", one.problem);
        problem->read("detail", one.problem);
        problem->read("field", one.field);
      } else {
        std::string word;
        item.read("status", word);
        if (word != "ok") item.fail("status", "is not ok");
      }
      reply.results.push_back(std::move(one));
    });
  });
  if (!status) return status.error();
  return reply;
}

Result<Problem> decode_problem(std::string_view text) {
  Problem problem;
  const Status status = read_reply(text, [&](ReplyReader& reader) {
    reader.require("status");
    reader.read("type", problem.type);
    reader.read("title", problem.title);
    reader.read("status", problem.status);
    reader.read("detail", problem.detail);
    reader.read("field", problem.field);
    reader.read("retryAfterSeconds", problem.retry_after_seconds);
  });
  if (!status) return status.error();
  return problem;
}

}  // namespace sluice::api
