#include "operator/kube/api_error.h"

#include <nlohmann/json.hpp>
#include <string>

#include "operator/controller/json_read.h"

namespace sluice::kube {
namespace {

using nlohmann::json;
using op::integer_at;
using op::member;
using op::text_at;

constexpr const char* kVersionField = "resourceVersion";

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

bool has_cause(const json& status, const char* reason) {
  for (const json& cause : member(member(status, "details"), "causes")) {
    if (text_at(cause, "reason") == reason) return true;
  }
  return false;
}

std::string first_field(const json& status) {
  for (const json& cause : member(member(status, "details"), "causes")) {
    if (std::string field = text_at(cause, "field"); !field.empty()) return field;
  }
  return {};
}

// etcd's refusals come as 500 with its words; nothing else tells them apart (SURVIVAL 19).
ErrorCode server_failure(int code, const std::string& message) {
  if (contains(message, "request is too large") || contains(message, "message larger than max")) {
    return ErrorCode::kTooLarge;
  }
  if (code == 507 || contains(message, "database space exceeded")) return ErrorCode::kDiskFull;
  return ErrorCode::kUnavailable;
}

ErrorCode code_of(int code, const std::string& message) {
  switch (code) {
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
    case 410:
      return ErrorCode::kConflict;
    case 413:
      return ErrorCode::kTooLarge;
    case 408:
    case 429:
      return ErrorCode::kUnavailable;
    default:
      return code >= 500 || code < 400 ? server_failure(code, message)
                                       : ErrorCode::kInvalidArgument;
  }
}

Error error_of(int code, const json& status, std::string message) {
  Error error{code_of(code, message), std::move(message)};
  if (code == 410 || contains(error.message, "Too large resource version") ||
      has_cause(status, "ResourceVersionTooLarge")) {
    error.field = kVersionField;
  } else if (code == 409 && text_at(status, "reason") == "AlreadyExists") {
    error.field = "name";
  } else if (error.code == ErrorCode::kInvalidArgument) {
    error.field = first_field(status);
  }
  return error;
}

}  // namespace

Error error_of_answer(const ApiResponse& answer) {
  const json status = op::parse_json(answer.body);
  std::string message = text_at(status, "message");
  if (message.empty()) message = "the API server answered " + std::to_string(answer.status);
  return error_of(answer.status, status, std::move(message));
}

Error error_of_status(const json& status) {
  const int code = static_cast<int>(integer_at(status, "code", 500));
  std::string message = text_at(status, "message");
  if (message.empty()) message = "the API server ended the watch with " + std::to_string(code);
  return error_of(code, status, std::move(message));
}

bool is_expired(const Error& error) {
  return error.code == ErrorCode::kConflict && error.field == kVersionField;
}

bool is_version_ahead(const Error& error) {
  return error.code == ErrorCode::kUnavailable && error.field == kVersionField;
}

}  // namespace sluice::kube
