#include "common/api/resources.h"

namespace sluice::api {

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::kQueue:
      return "Queue";
    case Kind::kJob:
      return "Job";
    case Kind::kSchedule:
      return "Schedule";
  }
  return "Queue";
}

std::string_view to_string(HttpBody body) {
  switch (body) {
    case HttpBody::kPayload:
      return "Payload";
    case HttpBody::kPayloadAndParents:
      return "PayloadAndParents";
  }
  return "Payload";
}

std::string_view to_string(ConcurrencyPolicy policy) {
  switch (policy) {
    case ConcurrencyPolicy::kAllow:
      return "Allow";
    case ConcurrencyPolicy::kForbid:
      return "Forbid";
    case ConcurrencyPolicy::kReplace:
      return "Replace";
    case ConcurrencyPolicy::kEnqueue:
      return "Enqueue";
  }
  return "Allow";
}

std::string_view to_string(RetryAction action) {
  switch (action) {
    case RetryAction::kRetry:
      return "Retry";
    case RetryAction::kDead:
      return "Dead";
    case RetryAction::kIgnore:
      return "Ignore";
  }
  return "Retry";
}

std::string_view to_string(DeletionPolicy policy) {
  return policy == DeletionPolicy::kPurge ? "Purge" : "Retain";
}

std::string_view to_string(CatchUpPolicy policy) {
  switch (policy) {
    case CatchUpPolicy::kLast:
      return "Last";
    case CatchUpPolicy::kAll:
      return "All";
    case CatchUpPolicy::kNone:
      return "None";
  }
  return "Last";
}

std::string_view to_string(ParentFailure policy) {
  return policy == ParentFailure::kRun ? "Run" : "Dead";
}

std::optional<ConcurrencyPolicy> parse_concurrency_policy(std::string_view text) {
  for (const auto policy : {ConcurrencyPolicy::kAllow, ConcurrencyPolicy::kForbid,
                            ConcurrencyPolicy::kReplace, ConcurrencyPolicy::kEnqueue}) {
    if (text == to_string(policy)) return policy;
  }
  return std::nullopt;
}

}  // namespace sluice::api
