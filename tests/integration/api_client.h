// The HTTP API as a test speaks it: one call a method, the answer as it came.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/client.h"

namespace sluice::testing {

// Read members of documents that are not const: [] of a const one aborts where a member is missing.
using Json = nlohmann::json;

struct Reply {
  int status = 0;  // 0: no answer, and `text` says why
  std::string text;
  Json body;  // null where `text` is not JSON
  std::map<std::string, std::string> headers;

  // A member of the body; null when it is not there, or there is no body.
  Json member(const std::string& name) const;
  // The last part of a problem's type: "queue-paused".
  std::string problem() const;
};

// Speaks about one queue of the namespace "default". Any thread, as http::Client.
class ApiClient {
 public:
  using Headers = std::map<std::string, std::string>;

  explicit ApiClient(const std::string& url, std::string queue = "q");

  const std::string& queue() const { return queue_; }
  const std::string& queue_path() const { return path_; }

  // A request is never sent twice.
  Reply send(std::string method, std::string target, std::string body = {}, Headers headers = {});
  Reply get(std::string target) { return send("GET", std::move(target)); }
  // `below` is appended to the queue's path: "/jobs:claim", ":pause", "".
  Reply post(std::string_view below, const std::string& body = {}, Headers headers = {});

  Reply put_queue(const Json& spec);
  Reply queue_status();
  Json figures();

  Reply enqueue(const Json& job);
  // The id of a job with this payload; "" when it was refused.
  std::string enqueue_payload(const Json& payload);
  Reply job(const std::string& id, int wait_seconds = 0);
  // Every page of the list; `pages` says how many there were.
  std::vector<Json> jobs(const std::string& parameters, int* pages = nullptr);

  Reply claim(const std::string& worker, int max = 1, int wait_seconds = 0);
  // The one job of a claim; null when it brought none.
  Json claim_one(const std::string& worker, int wait_seconds = 0);
  // The first lease's status: "ok", "lost" or "cancelled".
  std::string extend(const Json& claimed, const Json& report = Json::object());
  // The one settlement's result: {"id","status":"ok"} or {"id","error":problem}.
  Json settle(const Json& claimed, const std::string& outcome, const Json& more = Json::object());

  // The first `count` lines of the signals stream that are no keep-alives.
  std::vector<Json> signals(std::size_t count);
  // The data of the first `count` events of the queue's stream; `when_open` is called, by another
  // client if it calls the broker, once the stream runs.
  std::vector<Json> events(std::size_t count, const std::function<void()>& when_open);

 private:
  http::Client client_;
  std::string queue_;
  std::string path_;
};

}  // namespace sluice::testing
