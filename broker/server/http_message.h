// A request as it was read and a response as it will be written: plain data.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::broker {

enum class Method { kGet, kPost, kPut, kDelete, kOther };

std::string_view to_string(Method method);

// The headers the server knows; all others are read over.
struct Request {
  Method method = Method::kOther;
  std::string target;  // as sent: path and query
  std::string host;
  std::string content_type;
  std::string authorization;  // never logged, never shown
  std::optional<std::string> idempotency_key;
  std::string traceparent;
  // Of a CloudEvent in binary mode: the `ce-` headers, without that and in lower case.
  std::vector<std::pair<std::string, std::string>> event_headers;
  bool protocol_1 = false;  // Sluice-Protocol: 1: unknown members are ignored
  bool keep_alive = true;
  bool http_1_0 = false;
  bool expects_continue = false;
  bool has_body = false;  // by its framing; a Content-Length of 0 is none
  std::optional<std::size_t> content_length;
  std::string body;

  std::string_view path() const { return std::string_view{target}.substr(0, target.find('?')); }
};

struct Response {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";  // of static lifetime
  std::string location;
  std::string allow;
  std::optional<int> retry_after_seconds;
  std::string_view pressure;  // Sluice-Pressure; of static lifetime
  bool close = false;
  // Called when the peer is gone before the whole response was handed to the kernel.
  std::function<void()> undelivered;
};

}  // namespace sluice::broker
