// Errors as RFC 9457 problems, and back. docs/errors.md is the same table for people.
#include <nlohmann/json.hpp>

#include "common/api/job_protocol.h"
#include "common/api/json_text.h"

namespace sluice::api {
namespace {

using nlohmann::json;

constexpr std::string_view kTypePrefix = "https://sluice.dev/errors#";

struct Mapping {
  ErrorCode code;
  int status;
  const char* title;
};

constexpr Mapping kMappings[] = {
    {ErrorCode::kInvalidArgument, 400, "The request is not valid"},
    {ErrorCode::kUnauthenticated, 401, "Who is asking is not known"},
    {ErrorCode::kPermissionDenied, 403, "Not allowed"},
    {ErrorCode::kNotFound, 404, "Not found"},
    {ErrorCode::kConflict, 409, "The present state refuses"},
    {ErrorCode::kQueueNotEmpty, 409, "The queue holds jobs"},
    {ErrorCode::kIdempotency, 422, "The idempotency key was used with other content"},
    {ErrorCode::kTooLarge, 413, "Too large"},
    {ErrorCode::kUnsupportedMedia, 415, "The body must be JSON"},
    {ErrorCode::kQueueFull, 429, "The queue is full"},
    {ErrorCode::kNamespaceFull, 429, "The namespace is full"},
    {ErrorCode::kQueuePaused, 503, "The queue is paused"},
    {ErrorCode::kDiskFull, 507, "The disk is full"},
    {ErrorCode::kUnavailable, 503, "Not available at present"},
    {ErrorCode::kDeadlineExceeded, 504, "The time is up"},
    {ErrorCode::kCorruption, 500, "What was read is not what was written"},
    {ErrorCode::kInternal, 500, "Internal error"},
};

const Mapping& mapping_of(ErrorCode code) {
  for (const Mapping& mapping : kMappings) {
    if (mapping.code == code) return mapping;
  }
  return kMappings[std::size(kMappings) - 1];
}

// A conflict about one of these has a type of its own.
struct ConflictType {
  std::string_view field;
  std::string_view name;
};
constexpr ConflictType kConflictTypes[] = {{"generation", "stale-spec"}, {"uid", "uid-conflict"}};

// A parent that is not there is not what the call is about: its path is.
constexpr std::string_view kMissingParent = "missing-parent";
constexpr int kMissingParentStatus = 422;

bool is_missing_parent(const Error& error) {
  return error.code == ErrorCode::kNotFound && error.field.starts_with("dependsOn");
}

std::string type_name(const Error& error) {
  if (is_missing_parent(error)) return std::string(kMissingParent);
  if (error.code == ErrorCode::kConflict) {
    for (const ConflictType& conflict : kConflictTypes) {
      if (error.field == conflict.field) return std::string(conflict.name);
    }
  }
  return std::string(to_string(error.code));
}

// For types of a newer version, and answers that some proxy gave.
ErrorCode code_of_status(int status) {
  for (const Mapping& mapping : kMappings) {
    // Codes that share a status: the one that promises least.
    const bool special = mapping.code == ErrorCode::kQueuePaused;
    if (mapping.status == status && !special) return mapping.code;
  }
  if (status == 408 || status == 502) return ErrorCode::kUnavailable;
  return status >= 400 && status < 500 ? ErrorCode::kInvalidArgument : ErrorCode::kInternal;
}

ErrorCode code_of(const Problem& problem) {
  // 500 stands for both; a peer's corruption is not ours, so without a type it is internal.
  if (!problem.type.starts_with(kTypePrefix)) {
    return problem.status == 500 ? ErrorCode::kInternal : code_of_status(problem.status);
  }
  const std::string_view name = std::string_view(problem.type).substr(kTypePrefix.size());
  for (const ConflictType& conflict : kConflictTypes) {
    if (name == conflict.name) return ErrorCode::kConflict;
  }
  if (name == kMissingParent) return ErrorCode::kNotFound;
  for (const Mapping& mapping : kMappings) {
    if (name == to_string(mapping.code)) return mapping.code;
  }
  return code_of_status(problem.status);
}

std::string field_of(const Problem& problem) {
  if (!problem.field.empty() || !problem.type.starts_with(kTypePrefix)) return problem.field;
  const std::string_view name = std::string_view(problem.type).substr(kTypePrefix.size());
  for (const ConflictType& conflict : kConflictTypes) {
    if (name == conflict.name) return std::string(conflict.field);
  }
  if (name == kMissingParent) return "dependsOn";
  return {};
}

}  // namespace

int http_status(ErrorCode code) {
  return mapping_of(code).status;
}

Problem to_problem(const Error& error) {
  const Mapping& mapping = mapping_of(error.code);
  const bool of_parent = is_missing_parent(error);
  return {.type = std::string(kTypePrefix) + type_name(error),
          .title = of_parent ? "A parent is not there" : mapping.title,
          .status = of_parent ? kMissingParentStatus : mapping.status,
          .detail = error.message,
          .field = error.field};
}

Error to_error(const Problem& problem) {
  return {.code = code_of(problem),
          .message = problem.detail.empty() ? problem.title : problem.detail,
          .field = field_of(problem)};
}

std::string encode(const Problem& problem) {
  json object{{"type", problem.type}, {"title", problem.title}, {"status", problem.status}};
  if (!problem.detail.empty()) object["detail"] = problem.detail;
  if (!problem.field.empty()) object["field"] = problem.field;
  if (problem.retry_after_seconds) object["retryAfterSeconds"] = *problem.retry_after_seconds;
  return dump(object);
}

}  // namespace sluice::api
