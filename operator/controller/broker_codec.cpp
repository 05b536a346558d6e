#include "operator/controller/broker_codec.h"

#include <nlohmann/json.hpp>

#include "common/api/decode.h"
#include "operator/controller/json_read.h"

namespace sluice::op {
namespace {

using nlohmann::json;

Error corrupt(const char* what) {
  return {ErrorCode::kCorruption, std::string("the broker's answer is not ") + what};
}

// As api::encode writes it, so that equal specs are equal text.
std::string canonical_spec(const json& spec) {
  const std::string text = dump_json(spec);
  const auto decoded = api::decode_queue_spec(text, api::UnknownMembers::kIgnore);
  return decoded ? api::encode(*decoded) : text;
}

Result<std::pair<QueueRef, BrokerQueue>> queue_from(const json& document) {
  const auto signal = api::decode_queue_signal(dump_json(document));
  if (!signal || signal->queue.empty()) return corrupt("a queue");
  BrokerQueue queue;
  queue.uid = text_at(document, "uid");
  queue.generation = integer_at(document, "generation");
  queue.retained = bool_at(document, "retained");
  queue.spec_json = canonical_spec(member(document, "spec"));
  queue.figures = signal->figures;
  queue.workers = signal->workers;
  return std::pair(QueueRef{signal->namespace_name, signal->queue}, std::move(queue));
}

Result<BrokerJob> job_from(const json& document) {
  const auto state = api::parse_job_state(text_at(document, "state"));
  BrokerJob job;
  job.id = text_at(document, "id");
  if (job.id.empty() || !state) return corrupt("a job");
  job.state = *state;
  job.attempts = static_cast<int>(integer_at(document, "attempts"));
  job.lease_losses = static_cast<int>(integer_at(document, "leaseLosses"));
  job.worker = text_at(document, "worker");
  job.started_at = time_at(document, "startedAt");
  job.finished_at = time_at(document, "finishedAt");
  if (document.contains("result")) job.result_json = dump_json(document["result"]);
  const json& error = member(document, "error");
  job.error_reason = text_at(error, "reason");
  job.error_message = text_at(error, "message");
  return job;
}

}  // namespace

Result<std::pair<QueueRef, BrokerQueue>> decode_broker_queue(std::string_view text) {
  const json document = parse_json(text);
  if (!document.is_object()) return corrupt("a queue");
  return queue_from(document);
}

Result<std::vector<std::pair<QueueRef, BrokerQueue>>> decode_broker_queues(std::string_view text) {
  const json document = parse_json(text);
  if (!member(document, "queues").is_array()) return corrupt("a list of queues");
  std::vector<std::pair<QueueRef, BrokerQueue>> queues;
  for (const json& one : document["queues"]) {
    auto queue = queue_from(one);
    if (!queue) return queue.error();
    queues.push_back(*std::move(queue));
  }
  return queues;
}

Result<BrokerJob> decode_broker_job(std::string_view text) {
  const json document = parse_json(text);
  if (!document.is_object()) return corrupt("a job");
  return job_from(document);
}

Result<OutcomesPage> decode_outcomes(std::string_view text) {
  const json document = parse_json(text);
  if (!member(document, "jobs").is_array()) return corrupt("a page of outcomes");
  OutcomesPage page;
  page.cursor = text_at(document, "cursor");
  for (const json& one : document["jobs"]) {
    auto job = job_from(one);
    if (!job) return job.error();
    const json& source = member(one, "source");
    page.events.push_back({{text_at(one, "namespace"), text_at(one, "queue")},
                           text_at(source, "uid"),
                           text_at(source, "name"),
                           *std::move(job)});
  }
  return page;
}

Result<EnqueueResult> decode_enqueue_result(std::string_view text) {
  const json document = parse_json(text);
  EnqueueResult result{text_at(document, "id"), text_at(document, "state"),
                       bool_at(document, "skipped")};
  if (result.id.empty() && !result.skipped) return corrupt("an enqueued job");
  return result;
}

Result<BrokerSchedule> decode_broker_schedule(std::string_view text) {
  const json document = parse_json(text);
  if (!document.is_object()) return corrupt("a schedule");
  BrokerSchedule schedule;
  schedule.last_tick = time_at(document, "lastTick");
  const json& running = member(document, "running");
  if (running.is_array()) schedule.running = static_cast<int>(running.size());
  return schedule;
}

std::string encode_put_queue(const std::string& spec_json, const std::string& uid,
                             std::int64_t generation) {
  return "{\"spec\":" + spec_json + ",\"uid\":" + dump_json(uid) +
         ",\"generation\":" + std::to_string(generation) + "}";
}

std::string encode_ids(const std::vector<std::string>& ids) {
  return dump_json(json{{"ids", ids}});
}

std::string encode_worker_call(const std::string& instance, const std::string& cause) {
  json call = json::object();
  if (!instance.empty()) call["instance"] = instance;
  if (!cause.empty()) call["cause"] = cause;
  return dump_json(call);
}

}  // namespace sluice::op
