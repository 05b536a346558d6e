#include "tests/bench/queue_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <utility>

namespace sluice::bench {
namespace {

constexpr std::size_t kFillConnections = 8;
constexpr std::size_t kFillBatchJobs = 500;

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

// The text between `name` and the next quote, from `*at` on, which moves behind it.
std::string_view next_text(std::string_view body, std::string_view name, std::size_t* at) {
  const std::size_t found = body.find(name, *at);
  if (found == std::string_view::npos) return {};
  const std::size_t begin = found + name.size();
  const std::size_t end = body.find('"', begin);
  *at = end;
  return body.substr(begin, end - begin);
}

std::size_t number_at(std::string_view body, std::size_t at) {
  std::size_t number = 0;
  std::from_chars(body.data() + at, body.data() + body.size(), number);
  return number;
}

std::size_t figure(std::string_view body, std::string_view name) {
  const std::string quoted = "\"" + std::string(name) + "\":";
  const std::size_t at = body.find(quoted, body.find("\"figures\":"));
  if (at == std::string_view::npos) die("the figures lack " + std::string(name));
  return number_at(body, at + quoted.size());
}

}  // namespace

std::string make_payload(std::size_t number) {
  std::string payload = "{\"n\":" + std::to_string(number) + ",\"pad\":\"";
  payload.append(kPayloadBytes - payload.size() - 2, 'x');
  return payload.append("\"}");
}

QueueClient::QueueClient(ClientLoop& loop, std::string name, std::string_view spec_json)
    : loop_(loop), target_("/v1/namespaces/bench/queues/" + std::move(name)) {
  loop_.call("PUT", target_, "{\"spec\":" + std::string(spec_json) + "}", 200);
}

std::string QueueClient::enqueue_request(std::size_t number) const {
  return make_request("POST", target_ + "/jobs", "{\"payload\":" + make_payload(number) + "}");
}

std::string QueueClient::enqueue_batch_request(std::size_t jobs) const {
  const std::string job = "{\"payload\":" + make_payload(0) + "}";
  std::string body = "{\"jobs\":[";
  for (std::size_t i = 0; i < jobs; ++i) body.append(i == 0 ? "" : ",").append(job);
  return make_request("POST", target_ + "/jobs:batch", body.append("]}"));
}

std::string QueueClient::claim_request(std::size_t max, int wait_seconds) const {
  return make_request("POST", target_ + "/jobs:claim",
                      "{\"worker\":\"bench\",\"instance\":\"1\",\"max\":" + std::to_string(max) +
                          ",\"waitSeconds\":" + std::to_string(wait_seconds) + "}");
}

std::string QueueClient::settle_request(const std::vector<ClaimedJob>& jobs) const {
  std::string body = "{\"worker\":\"bench\",\"settlements\":[";
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    body.append(i == 0 ? "{\"id\":\"" : ",{\"id\":\"").append(jobs[i].id);
    body.append("\",\"lease\":\"").append(jobs[i].lease);
    body.append("\",\"outcome\":\"Succeeded\",\"result\":{\"ok\":true}}");
  }
  return make_request("POST", target_ + "/jobs:settle", body.append("]}"));
}

void QueueClient::enqueued(const Reply& reply, std::size_t jobs) {
  if (reply.status != 202 || occurrences(reply.body, "\"id\":") != jobs) {
    die("enqueue answered " + std::to_string(reply.status) + ": " + std::string(reply.body));
  }
  enqueued_ += jobs;
}

void QueueClient::settled(const Reply& reply, std::size_t jobs) {
  if (reply.status != 200 || occurrences(reply.body, "\"status\":\"ok\"") != jobs) {
    die("settle answered " + std::to_string(reply.status) + ": " + std::string(reply.body));
  }
  settled_ += jobs;
}

std::vector<ClaimedJob> QueueClient::claimed(const Reply& reply) {
  if (reply.status != 200) {
    die("claim answered " + std::to_string(reply.status) + ": " + std::string(reply.body));
  }
  std::vector<ClaimedJob> jobs;
  std::size_t id_at = 0;
  std::size_t lease_at = 0;
  std::size_t number_begin = 0;
  for (;;) {
    ClaimedJob job;
    job.id = next_text(reply.body, "\"id\":\"", &id_at);
    if (job.id.empty()) return jobs;
    job.lease = next_text(reply.body, "\"lease\":\"", &lease_at);
    number_begin = reply.body.find("\"n\":", number_begin);
    if (job.lease.empty() || number_begin == std::string_view::npos) {
      die("a claimed job lacks its lease or payload");
    }
    number_begin += 4;
    job.number = number_at(reply.body, number_begin);
    jobs.push_back(job);
  }
}

void QueueClient::fill(std::size_t jobs) {
  const std::size_t connections = std::min(kFillConnections, loop_.connections());
  const std::string whole_batch = enqueue_batch_request(kFillBatchJobs);
  std::array<std::size_t, kFillConnections> under_way{};
  std::size_t left = jobs;
  std::size_t busy = 0;
  const auto send_next = [&](std::size_t connection) {
    const std::size_t count = std::min(left, kFillBatchJobs);
    if (count == 0) return;
    loop_.send(connection, count == kFillBatchJobs ? whole_batch : enqueue_batch_request(count));
    left -= count;
    under_way[connection] = count;
    ++busy;
  };
  for (std::size_t i = 0; i < connections; ++i) send_next(i);
  while (busy > 0) {
    loop_.poll(std::nullopt, [&](std::size_t connection, const Reply& reply) {
      enqueued(reply, under_way[connection]);
      --busy;
      send_next(connection);
    });
  }
}

bool QueueClient::is_complete(ClientLoop& loop) const {
  const std::string body = loop.call("GET", target_, "", 200);
  const std::size_t known =
      figure(body, "backlog") + figure(body, "running") + figure(body, "dead");
  const std::size_t expected = enqueued_ - settled_;
  if (known == expected) return true;
  std::fprintf(stderr, "sluice-bench: %s: %zu jobs acknowledged, %zu settled, %zu there\n",
               target_.c_str(), enqueued_, settled_, known);
  return false;
}

}  // namespace sluice::bench
