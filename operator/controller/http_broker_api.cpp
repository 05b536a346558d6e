#include "operator/controller/http_broker_api.h"

#include <utility>

#include "common/api/job_protocol.h"
#include "common/base/log.h"
#include "operator/controller/broker_codec.h"

namespace sluice::op {
namespace {

using http::percent_encode;

constexpr Duration kCallTimeout = std::chrono::seconds{15};
// The broker sends a keep-alive line every 10 s.
constexpr Duration kSignalsIdle = std::chrono::seconds{30};

std::string path_of(const QueueRef& queue) {
  return "/v1/namespaces/" + percent_encode(queue.namespace_name) + "/queues/" +
         percent_encode(queue.name);
}

std::string worker_path(const QueueRef& queue, const std::string& worker, const char* verb) {
  return path_of(queue) + "/workers/" + percent_encode(worker) + ":" + verb;
}

http::Request request_of(std::string method, std::string target, std::string body = {}) {
  http::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.headers["Sluice-Protocol"] = "1";
  request.timeout = kCallTimeout;
  return request;
}

// Proxies answer without a problem document: the status alone must do.
Error error_of(const http::Response& response) {
  if (const auto problem = api::decode_problem(response.body)) return api::to_error(*problem);
  const std::string message = "the broker answered " + std::to_string(response.status);
  if (response.status == 404) return {ErrorCode::kNotFound, message};
  if (response.status == 409) return {ErrorCode::kConflict, message};
  if (response.status == 400 || response.status == 422)
    return {ErrorCode::kInvalidArgument, message};
  return {ErrorCode::kUnavailable, message};
}

std::string parameter_of(const std::vector<std::string>& namespaces) {
  std::string text;
  for (const std::string& one : namespaces) {
    text += (text.empty() ? "namespaces=" : ",") + percent_encode(one);
  }
  return text;
}

Status drop_body(const Result<std::string>& answer) {
  if (!answer) return answer.error();
  return Ok{};
}

}  // namespace

HttpBrokerApi::HttpBrokerApi(http::Url url, http::ClientOptions options,
                             const std::vector<std::string>& namespaces)
    : client_(std::move(url), std::move(options)), namespaces_(parameter_of(namespaces)) {}

Result<std::string> HttpBrokerApi::call(http::Request request, bool repeatable) {
  auto response = client_.send(request, repeatable);
  if (!response) return response.error();
  if (response->status / 100 != 2) return error_of(*response);
  return std::move(response->body);
}

Status HttpBrokerApi::put_queue(const QueueRef& queue, const std::string& spec_json,
                                const std::string& uid, std::int64_t generation) {
  return drop_body(
      call(request_of("PUT", path_of(queue), encode_put_queue(spec_json, uid, generation))));
}

Status HttpBrokerApi::delete_queue(const QueueRef& queue, const std::string& uid, bool purge) {
  return drop_body(call(request_of("DELETE", path_of(queue) + "?uid=" + percent_encode(uid) +
                                                 "&jobs=" + (purge ? "purge" : "retain"))));
}

Result<std::optional<BrokerQueue>> HttpBrokerApi::get_queue(const QueueRef& queue) {
  const auto body = call(request_of("GET", path_of(queue)));
  if (!body) {
    if (body.error().code == ErrorCode::kNotFound) return std::optional<BrokerQueue>();
    return body.error();
  }
  auto decoded = decode_broker_queue(*body);
  if (!decoded) return decoded.error();
  return std::optional<BrokerQueue>(std::move(decoded->second));
}

Result<std::vector<std::pair<QueueRef, BrokerQueue>>> HttpBrokerApi::list_queues() {
  const auto body =
      call(request_of("GET", namespaces_.empty() ? "/v1/queues" : "/v1/queues?" + namespaces_));
  if (!body) return body.error();
  return decode_broker_queues(*body);
}

Result<EnqueueResult> HttpBrokerApi::enqueue(const QueueRef& queue, const std::string& body_json) {
  // An id, a tick or an idempotency key makes it safe to repeat.
  const auto body = call(request_of("POST", path_of(queue) + "/jobs", body_json));
  if (!body) return body.error();
  return decode_enqueue_result(*body);
}

Result<std::optional<BrokerJob>> HttpBrokerApi::get_job(const QueueRef& queue,
                                                        const std::string& id) {
  const auto body = call(request_of("GET", path_of(queue) + "/jobs/" + percent_encode(id)));
  if (!body) {
    if (body.error().code == ErrorCode::kNotFound) return std::optional<BrokerJob>();
    return body.error();
  }
  auto job = decode_broker_job(*body);
  if (!job) return job.error();
  return std::optional<BrokerJob>(*std::move(job));
}

Status HttpBrokerApi::cancel_job(const QueueRef& queue, const std::string& id) {
  return drop_body(call(request_of("DELETE", path_of(queue) + "/jobs/" + percent_encode(id))));
}

Status HttpBrokerApi::acknowledge(const QueueRef& queue, const std::vector<std::string>& ids) {
  return drop_body(call(request_of("POST", path_of(queue) + "/jobs:ack", encode_ids(ids))));
}

Result<OutcomesPage> HttpBrokerApi::outcomes(const std::string& cursor, int wait_seconds) {
  http::Request request =
      request_of("GET", "/v1/outcomes?waitSeconds=" + std::to_string(wait_seconds) +
                            (cursor.empty() ? "" : "&cursor=" + percent_encode(cursor)) +
                            (namespaces_.empty() ? "" : "&" + namespaces_));
  request.timeout = kCallTimeout + std::chrono::seconds{wait_seconds};
  const auto body = call(std::move(request));
  if (!body) return body.error();
  return decode_outcomes(*body);
}

Result<BrokerSchedule> HttpBrokerApi::schedule(const QueueRef& queue,
                                               const std::string& schedule_uid) {
  const auto body =
      call(request_of("GET", path_of(queue) + "/schedules/" + percent_encode(schedule_uid)));
  if (!body) return body.error();
  return decode_broker_schedule(*body);
}

Status HttpBrokerApi::drain_worker(const QueueRef& queue, const std::string& worker,
                                   const std::string& instance, bool drain) {
  return drop_body(call(request_of("POST", worker_path(queue, worker, drain ? "drain" : "undrain"),
                                   encode_worker_call(instance, ""))));
}

Status HttpBrokerApi::worker_gone(const QueueRef& queue, const std::string& worker,
                                  const std::string& instance, const std::string& cause) {
  return drop_body(call(
      request_of("POST", worker_path(queue, worker, "gone"), encode_worker_call(instance, cause))));
}

Status HttpBrokerApi::signals(const std::function<void(const api::QueueSignal&)>& on_signal) {
  const std::string target = namespaces_.empty() ? "/v1/signals" : "/v1/signals?" + namespaces_;
  return client_.stream_lines(request_of("GET", target), kSignalsIdle, [&](std::string_view line) {
    // Keep-alive lines carry no queue.
    const auto signal = api::decode_queue_signal(line);
    if (signal && !signal->queue.empty()) on_signal(*signal);
    return true;
  });
}

void HttpBrokerApi::stop() {
  client_.cancel();
}

}  // namespace sluice::op
