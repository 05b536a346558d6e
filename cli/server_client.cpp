#include "cli/server_client.h"

#include <charconv>

#include "common/api/job_protocol.h"

namespace sluice::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kCallTimeout = 30s;
constexpr Duration kBackupTimeout = 6h;  // a big store that has to be copied byte by byte
constexpr Duration kSignalsIdle = 30s;   // three keep-alive lines of the broker

std::optional<std::chrono::seconds> retry_after_of(const http::Response& response) {
  const auto header = response.headers.find("retry-after");
  if (header == response.headers.end()) return std::nullopt;
  int seconds = 0;
  const std::string& text = header->second;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure != std::errc() || end != text.data() + text.size() || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds{seconds};
}

Answer to_answer(Result<http::Response> sent) {
  if (!sent) return {.error = sent.error()};
  Answer answer{.status = sent->status, .retry_after = retry_after_of(*sent)};
  if (answer.ok()) {
    answer.body = std::move(sent->body);
    return answer;
  }
  const auto problem = api::decode_problem(sent->body);
  if (!problem) {
    answer.error = {ErrorCode::kInternal, "answered with status " + std::to_string(sent->status)};
    return answer;
  }
  answer.error = api::to_error(*problem);
  if (answer.error.message.empty()) answer.error.message = problem->title;
  if (!answer.retry_after && problem->retry_after_seconds) {
    answer.retry_after = std::chrono::seconds{*problem->retry_after_seconds};
  }
  return answer;
}

}  // namespace

Result<http::Response> HttpTransport::send(const http::Request& request) {
  return client_.send(request);
}

Status HttpTransport::stream_lines(const http::Request& request, Duration idle,
                                   const OnLine& on_line) {
  return client_.stream_lines(request, idle, on_line);
}

std::string ServerClient::queue_path(std::string_view queue) const {
  return "/v1/namespaces/" + http::percent_encode(namespace_) + "/queues/" +
         http::percent_encode(queue);
}

Answer ServerClient::call(std::string method, std::string target, std::string body) {
  return call_for(kCallTimeout, std::move(method), std::move(target), std::move(body));
}

Answer ServerClient::call_for(Duration timeout, std::string method, std::string target,
                              std::string body) {
  return to_answer(transport_.send({.method = std::move(method),
                                    .target = std::move(target),
                                    .body = std::move(body),
                                    .timeout = timeout}));
}

Answer ServerClient::create_backup(std::string body) {
  return call_for(kBackupTimeout, "POST", "/v1/backups", std::move(body));
}

Answer ServerClient::backups() {
  return call("GET", "/v1/backups");
}

Answer ServerClient::delete_backup(std::string_view name) {
  return call("DELETE", "/v1/backups/" + http::percent_encode(name));
}

// Asking for one namespace takes rights in that one alone.
std::string ServerClient::narrowed(std::string path) const {
  return path + "?namespaces=" + http::percent_encode(namespace_);
}

Answer ServerClient::queues(bool all_namespaces) {
  return call("GET", all_namespaces ? "/v1/queues" : narrowed("/v1/queues"));
}

Answer ServerClient::queue(std::string_view queue) {
  return call("GET", queue_path(queue));
}

Answer ServerClient::jobs(std::string_view queue, const JobsQuery& query) {
  std::string target = queue_path(queue) + "/jobs?limit=" + std::to_string(query.limit);
  if (!query.state.empty()) target += "&state=" + http::percent_encode(query.state);
  if (!query.labels.empty()) target += "&labels=" + http::percent_encode(query.labels);
  if (query.with_payload) target += "&payload=true";
  if (!query.cursor.empty()) target += "&cursor=" + http::percent_encode(query.cursor);
  return call("GET", std::move(target));
}

Answer ServerClient::job(std::string_view queue, std::string_view id, bool with_payload,
                         std::chrono::seconds wait) {
  std::string target = queue_path(queue) + "/jobs/" + http::percent_encode(id);
  if (with_payload) target += "?payload=true";
  if (wait.count() > 0) {
    target += (with_payload ? "&" : "?") + ("waitSeconds=" + std::to_string(wait.count()));
  }
  return call_for(kCallTimeout + wait, "GET", std::move(target), {});
}

Answer ServerClient::enqueue(std::string_view queue, std::string body) {
  return call("POST", queue_path(queue) + "/jobs", std::move(body));
}

Answer ServerClient::enqueue_batch(std::string_view queue, std::string body) {
  return call("POST", queue_path(queue) + "/jobs:batch", std::move(body));
}

Answer ServerClient::cancel(std::string_view queue, std::string_view id) {
  return call("DELETE", queue_path(queue) + "/jobs/" + http::percent_encode(id));
}

Answer ServerClient::cancel_jobs(std::string_view queue, std::string body) {
  return call("POST", queue_path(queue) + "/jobs:cancel", std::move(body));
}

Answer ServerClient::run_job(std::string_view queue, std::string_view id) {
  return call("POST", queue_path(queue) + "/jobs/" + http::percent_encode(id) + ":run");
}

Answer ServerClient::reschedule(std::string_view queue, std::string_view id, std::string body) {
  return call("POST", queue_path(queue) + "/jobs/" + http::percent_encode(id) + ":reschedule",
              std::move(body));
}

Answer ServerClient::pause(std::string_view queue, std::string body) {
  return call("POST", queue_path(queue) + ":pause", std::move(body));
}

Answer ServerClient::resume(std::string_view queue, std::string body) {
  return call("POST", queue_path(queue) + ":resume", std::move(body));
}

Answer ServerClient::redrive(std::string_view queue, std::string body) {
  return call("POST", queue_path(queue) + "/dead:redrive", std::move(body));
}

Answer ServerClient::group(std::string_view queue, std::string_view id) {
  return call("GET", queue_path(queue) + "/groups/" + http::percent_encode(id));
}

Answer ServerClient::redrive_status(std::string_view queue, std::string_view id) {
  return call("GET", queue_path(queue) + "/redrives/" + http::percent_encode(id));
}

Answer ServerClient::stop_redrive(std::string_view queue, std::string_view id) {
  return call("DELETE", queue_path(queue) + "/redrives/" + http::percent_encode(id));
}

Answer ServerClient::purge(std::string_view queue, std::string body) {
  return call("POST", queue_path(queue) + "/dead:purge", std::move(body));
}

Answer ServerClient::follow_signals(const Transport::OnLine& on_line) {
  return follow(narrowed("/v1/signals"), on_line);
}

Answer ServerClient::follow_events(std::string_view queue, const Transport::OnLine& on_line) {
  return follow(queue_path(queue) + "/events", on_line);
}

Answer ServerClient::follow(std::string target, const Transport::OnLine& on_line) {
  const Status ended = transport_.stream_lines(
      {.target = std::move(target), .timeout = kCallTimeout}, kSignalsIdle, on_line);
  if (ended) return {.status = 200};
  const ErrorCode code = ended.error().code;
  const bool is_unreachable =
      code == ErrorCode::kUnavailable || code == ErrorCode::kDeadlineExceeded;
  return {.status = is_unreachable ? 0 : api::http_status(code), .error = ended.error()};
}

}  // namespace sluice::cli
