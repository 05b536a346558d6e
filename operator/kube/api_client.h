// The Kubernetes API as bytes: one request, one answer. cpprestsdk stays behind it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::kube {

struct ApiRequest {
  std::string method = "GET";
  std::string path = {};  // with its query, escaped: "/api/v1/pods?limit=500"
  std::string body = {};
  std::string content_type = "application/json";
  Duration timeout = std::chrono::seconds{30};  // for the whole exchange
};

struct ApiResponse {
  int status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retry_after;
};

// Any thread; every call blocks the caller, never a thread of the library's pool. Tests put a
// faulty network between (tests/support), not another implementation.
class ApiClient {
 public:
  virtual ~ApiClient() = default;

  // Any status is an answer. kUnavailable when the server cannot be reached, the connection breaks
  // or cancel() was called; kDeadlineExceeded when the time is up; kUnauthenticated never: a 401 is
  // an answer, and makes the next request read the credentials again.
  virtual Result<ApiResponse> send(const ApiRequest& request) = 0;

  // A watch: calls `on_line` for each line of a 200 answer as it comes, until it returns false (Ok)
  // or the server ends the answer (Ok). kUnavailable when the connection breaks;
  // kDeadlineExceeded when nothing came for `idle`. Another status: error_of_answer().
  virtual Status stream_lines(const ApiRequest& request, Duration idle,
                              const std::function<bool(std::string_view line)>& on_line) = 0;

  // Ends every call under way in other threads, and refuses later ones, with kUnavailable. For
  // good.
  virtual void cancel() = 0;
};

}  // namespace sluice::kube
