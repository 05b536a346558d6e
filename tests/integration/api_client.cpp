#include "tests/integration/api_client.h"

#include <utility>

#include "common/base/check.h"

namespace sluice::testing {
namespace {

constexpr Duration kCallMax = std::chrono::seconds{90};  // more than the longest long poll
constexpr Duration kSilenceMax = std::chrono::seconds{30};
constexpr int kPagesMax = 10'000;

http::Url parsed(const std::string& url) {
  auto result = http::parse_url(url);
  CHECK(result);
  return *std::move(result);
}

Json parse(const std::string& text) {
  Json value = Json::parse(text, nullptr, false);
  return value.is_discarded() ? Json() : value;
}

}  // namespace

Json Reply::member(const std::string& name) const {
  return body.is_object() && body.contains(name) ? body.at(name) : Json();
}

std::string Reply::problem() const {
  const std::string type = body.is_object() ? body.value("type", "") : "";
  return type.substr(type.find('#') + 1);
}

ApiClient::ApiClient(const std::string& url, std::string queue)
    : client_(parsed(url)),
      queue_(std::move(queue)),
      path_("/v1/namespaces/default/queues/" + queue_) {}

Reply ApiClient::send(std::string method, std::string target, std::string body, Headers headers) {
  http::Request request{.method = std::move(method),
                        .target = std::move(target),
                        .body = std::move(body),
                        .headers = std::move(headers),
                        .timeout = kCallMax};
  auto response = client_.send(request, false);
  if (!response) return {.status = 0, .text = response.error().message, .body = {}, .headers = {}};
  Json value = parse(response->body);
  return {.status = response->status,
          .text = std::move(response->body),
          .body = std::move(value),
          .headers = std::move(response->headers)};
}

Reply ApiClient::post(std::string_view below, const std::string& body, Headers headers) {
  return send("POST", path_ + std::string(below), body, std::move(headers));
}

Reply ApiClient::put_queue(const Json& spec) {
  return send("PUT", path_, Json{{"spec", spec}}.dump());
}

Reply ApiClient::queue_status() {
  return get(path_);
}

Json ApiClient::figures() {
  const Reply reply = queue_status();
  return reply.body.is_object() ? reply.body.value("figures", Json::object()) : Json::object();
}

Reply ApiClient::enqueue(const Json& job) {
  return post("/jobs", job.dump());
}

std::string ApiClient::enqueue_payload(const Json& payload) {
  const Reply reply = enqueue({{"payload", payload}});
  return reply.status == 202 ? reply.body.value("id", "") : "";
}

Reply ApiClient::job(const std::string& id, int wait_seconds) {
  const std::string wait =
      wait_seconds > 0 ? "?waitSeconds=" + std::to_string(wait_seconds) : std::string();
  return get(path_ + "/jobs/" + id + wait);
}

std::vector<Json> ApiClient::jobs(const std::string& parameters, int* pages) {
  std::vector<Json> all;
  std::string cursor;
  for (int page = 1; page <= kPagesMax; ++page) {
    const std::string from = cursor.empty() ? "" : "&cursor=" + cursor;
    const Reply reply = get(path_ + "/jobs?" + parameters + from);
    if (reply.status != 200) break;
    for (const Json& job : reply.body["jobs"]) all.push_back(job);
    if (pages != nullptr) *pages = page;
    cursor = reply.body.value("cursor", "");
    if (cursor.empty()) break;
  }
  return all;
}

Reply ApiClient::claim(const std::string& worker, int max, int wait_seconds) {
  const Json body = {
      {"worker", worker}, {"instance", worker}, {"max", max}, {"waitSeconds", wait_seconds}};
  return post("/jobs:claim", body.dump());
}

Json ApiClient::claim_one(const std::string& worker, int wait_seconds) {
  const Reply reply = claim(worker, 1, wait_seconds);
  if (reply.status != 200 || reply.body["jobs"].size() != 1) return {};
  Json job = reply.body["jobs"][0];
  job["worker"] = worker;
  return job;
}

std::string ApiClient::extend(const Json& claimed, const Json& report) {
  Json lease = {{"id", claimed["id"]}, {"lease", claimed["lease"]}};
  lease.update(report);
  const Json body = {{"worker", claimed["worker"]},
                     {"instance", claimed["worker"]},
                     {"leases", Json::array({lease})}};
  const Reply reply = post("/jobs:extend", body.dump());
  if (reply.status != 200) return reply.text;
  return reply.body["leases"][0].value("status", "");
}

Json ApiClient::settle(const Json& claimed, const std::string& outcome, const Json& more) {
  Json settlement = {{"id", claimed["id"]}, {"lease", claimed["lease"]}, {"outcome", outcome}};
  settlement.update(more);
  const Json body = {{"worker", claimed["worker"]}, {"settlements", Json::array({settlement})}};
  const Reply reply = post("/jobs:settle", body.dump());
  return reply.status == 200 ? reply.body["results"][0] : reply.body;
}

std::vector<Json> ApiClient::signals(std::size_t count) {
  std::vector<Json> lines;
  const auto ended = client_.stream_lines({.target = "/v1/signals", .timeout = kCallMax},
                                          kSilenceMax, [&](std::string_view line) {
                                            if (!line.empty()) {
                                              lines.push_back(parse(std::string(line)));
                                            }
                                            return lines.size() < count;
                                          });
  return ended ? lines : std::vector<Json>{};
}

std::vector<Json> ApiClient::events(std::size_t count, const std::function<void()>& when_open) {
  constexpr std::string_view kData = "data: ";
  std::vector<Json> events;
  bool is_open = false;
  const auto ended = client_.stream_lines(
      {.target = path_ + "/events", .timeout = kCallMax}, kSilenceMax, [&](std::string_view line) {
        if (!is_open) when_open();
        is_open = true;
        if (line.starts_with(kData)) {
          events.push_back(parse(std::string(line.substr(kData.size()))));
        }
        return events.size() < count;
      });
  return ended ? events : std::vector<Json>{};
}

}  // namespace sluice::testing
