#include "broker/server/response_head.h"

#include <charconv>

namespace sluice::broker {
namespace {

void append_number(std::string& out, std::size_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

void append_response_head(std::string& out, const Response& response, bool keep_alive,
                          bool http_1_0) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::size_t>(response.status));
  out.append(" ").append(reason_phrase(response.status)).append("\r\n");
  append_header(out, "Content-Type", response.content_type);
  out.append("Content-Length: ");
  append_number(out, response.body.size());
  out.append("\r\n");
  append_header(out, "Location", response.location);
  append_header(out, "Allow", response.allow);
  if (response.status == 401) append_header(out, "WWW-Authenticate", "Bearer realm=\"sluice\"");
  if (response.retry_after_seconds) {
    append_header(out, "Retry-After", std::to_string(*response.retry_after_seconds));
  }
  append_header(out, "Sluice-Pressure", response.pressure);
  if (!keep_alive) {
    append_header(out, "Connection", "close");
  } else if (http_1_0) {
    append_header(out, "Connection", "keep-alive");
  }
  out.append("\r\n");
}

}  // namespace sluice::broker
