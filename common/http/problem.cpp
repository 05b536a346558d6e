#include "common/http/problem.h"

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace sluice::http {
namespace {

ErrorCode code_of_status(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalidArgument;
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kConflict;
    case 413:
      return ErrorCode::kTooLarge;
    case 415:
      return ErrorCode::kUnsupportedMedia;
    case 422:
      return ErrorCode::kIdempotency;
    case 429:
      return ErrorCode::kQueueFull;
    case 502:
    case 503:
      return ErrorCode::kUnavailable;
    case 504:
      return ErrorCode::kDeadlineExceeded;
    case 507:
      return ErrorCode::kDiskFull;
    default:
      return status >= 400 && status < 500 ? ErrorCode::kInvalidArgument : ErrorCode::kInternal;
  }
}

std::optional<ErrorCode> code_of_type(std::string_view type) {
  const std::size_t hash = type.rfind('#');
  if (hash == std::string_view::npos) return std::nullopt;
  const std::string_view name = type.substr(hash + 1);
  for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    if (to_string(code) == name) return code;
  }
  return std::nullopt;
}

std::string text_member(const nlohmann::json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace

Error error_of_reply(int status, std::string_view body) {
  Error error{code_of_status(status), "status " + std::to_string(status)};
  const auto document = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return error;

  if (const auto code = code_of_type(text_member(document, "type"))) error.code = *code;
  std::string detail = text_member(document, "detail");
  if (detail.empty()) detail = text_member(document, "title");
  if (!detail.empty()) error.message = std::move(detail);
  error.field = text_member(document, "field");
  return error;
}

}  // namespace sluice::http
