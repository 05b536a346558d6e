// A server that answers from memory and remembers what it was asked.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "cli/server_client.h"

namespace sluice::cli::testing {

class FakeTransport final : public Transport {
 public:
  // Answers in turn; when none is left, `otherwise`.
  std::deque<Result<http::Response>> answers;
  std::function<Result<http::Response>(const http::Request&)> otherwise;
  std::vector<std::string> lines;  // of the one stream; then it ends
  std::vector<http::Request> requests;

  Result<http::Response> send(const http::Request& request) override {
    requests.push_back(request);
    if (!answers.empty()) {
      auto answer = answers.front();
      answers.pop_front();
      return answer;
    }
    if (otherwise) return otherwise(request);
    return Error{ErrorCode::kUnavailable, "connection refused"};
  }

  Status stream_lines(const http::Request& request, Duration, const OnLine& on_line) override {
    requests.push_back(request);
    if (streamed_) return Error{ErrorCode::kUnavailable, "connection refused"};
    streamed_ = true;
    for (const std::string& line : lines) {
      if (!on_line(line)) break;
    }
    return Ok{};
  }

 private:
  bool streamed_ = false;
};

inline Result<http::Response> reply(int status, std::string body) {
  return http::Response{.status = status, .headers = {}, .body = std::move(body)};
}

inline Result<http::Response> problem(int status, const std::string& name,
                                      const std::string& detail) {
  return reply(status, R"({"type":"https://sluice.dev/errors#)" + name +
                           R"(","title":"refused","status":)" + std::to_string(status) +
                           R"(,"detail":")" + detail + "\"}");
}

}  // namespace sluice::cli::testing
