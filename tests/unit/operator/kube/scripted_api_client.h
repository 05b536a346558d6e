// An API server that says what a test wrote down, in that order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "operator/kube/api_client.h"

namespace sluice::kube {

struct ScriptedStream {
  std::vector<std::string> lines;
  Status end = Ok{};
};

// What its clients answer, and what they were asked. Calls beyond the script block until their
// client is cancelled, as a quiet server would have it.
//
// Threads: any.
class Script {
 public:
  Script& answer(int status, std::string body,
                 std::optional<std::chrono::seconds> retry_after = {}) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(ApiResponse{status, std::move(body), retry_after});
    return *this;
  }
  Script& unreachable() {
    const std::lock_guard lock(mutex_);
    answers_.push_back(Error{ErrorCode::kUnavailable, "connection refused"});
    return *this;
  }
  Script& stream(std::vector<std::string> lines, Status end = Ok{}) {
    const std::lock_guard lock(mutex_);
    streams_.push_back({std::move(lines), std::move(end)});
    return *this;
  }

  std::vector<ApiRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  // Blocks until that many requests were made, for at most a generous while.
  std::vector<ApiRequest> wait_for_requests(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds{30}, [&] { return requests_.size() >= count; });
    return requests_;
  }

  std::unique_ptr<ApiClient> make_client() { return std::make_unique<Client>(*this); }

 private:
  class Client final : public ApiClient {
   public:
    explicit Client(Script& script) : script_(script) {}

    Result<ApiResponse> send(const ApiRequest& request) override {
      auto answer = next(request, script_.answers_);
      if (!answer) return Error{ErrorCode::kUnavailable, "cancelled"};
      return *std::move(answer);
    }
    Status stream_lines(const ApiRequest& request, Duration,
                        const std::function<bool(std::string_view line)>& on_line) override {
      const auto stream = next(request, script_.streams_);
      if (!stream) return Error{ErrorCode::kUnavailable, "cancelled"};
      for (const std::string& line : stream->lines) {
        if (!on_line(line)) return Ok{};
      }
      return stream->end;
    }
    void cancel() override {
      {
        const std::lock_guard lock(script_.mutex_);
        is_cancelled_ = true;
      }
      script_.changed_.notify_all();
    }

   private:
    template <typename T>
    std::optional<T> next(const ApiRequest& request, std::deque<T>& script) {
      std::unique_lock lock(script_.mutex_);
      script_.requests_.push_back(request);
      script_.changed_.notify_all();
      script_.changed_.wait(lock, [&] { return is_cancelled_ || !script.empty(); });
      if (is_cancelled_) return std::nullopt;
      T first = std::move(script.front());
      script.pop_front();
      return first;
    }

    Script& script_;
    bool is_cancelled_ = false;
  };

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Result<ApiResponse>> answers_;
  std::deque<ScriptedStream> streams_;
  std::vector<ApiRequest> requests_;
};

// The JSON of API objects, as short as tests need it.
inline std::string metadata_json(const std::string& name, int uid, int version) {
  const std::string number = std::to_string(uid);
  return R"("metadata":{"namespace":"ns","name":")" + name +
         R"(","uid":"00000000-0000-0000-0000-)" + std::string(12 - number.size(), '0') + number +
         R"(","resourceVersion":")" + std::to_string(version) + R"(","generation":1})";
}
inline std::string object_json(const std::string& name, int uid, int version) {
  return "{" + metadata_json(name, uid, version) + "}";
}
inline std::string list_json(const std::vector<std::string>& objects, int version,
                             const std::string& next = "") {
  std::string items;
  for (const std::string& object : objects) items += (items.empty() ? "" : ",") + object;
  return R"({"metadata":{"resourceVersion":")" + std::to_string(version) + R"(","continue":")" +
         next + R"("},"items":[)" + items + "]}";
}
inline std::string event_json(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}";
}
inline std::string status_json(int code, const std::string& reason, const std::string& message) {
  return R"({"kind":"Status","status":"Failure","code":)" + std::to_string(code) +
         R"(,"reason":")" + reason + R"(","message":")" + message + R"("})";
}

}  // namespace sluice::kube
