#include "common/base/result.h"

namespace sluice {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid-argument";
    case ErrorCode::kUnauthenticated:
      return "unauthenticated";
    case ErrorCode::kPermissionDenied:
      return "permission-denied";
    case ErrorCode::kNotFound:
      return "not-found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kQueueNotEmpty:
      return "queue-not-empty";
    case ErrorCode::kIdempotency:
      return "idempotency-conflict";
    case ErrorCode::kTooLarge:
      return "too-large";
    case ErrorCode::kUnsupportedMedia:
      return "unsupported-media-type";
    case ErrorCode::kQueueFull:
      return "queue-full";
    case ErrorCode::kNamespaceFull:
      return "namespace-full";
    case ErrorCode::kQueuePaused:
      return "queue-paused";
    case ErrorCode::kDiskFull:
      return "disk-full";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kDeadlineExceeded:
      return "deadline-exceeded";
    case ErrorCode::kCorruption:
      return "corruption";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace sluice
