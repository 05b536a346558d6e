// What an operation yields when the outside world may refuse it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace sluice {

// Few on purpose: each maps to one HTTP status and one retry decision (docs/errors.md).
enum class ErrorCode {
  kInvalidArgument,   // malformed or out of bounds; `field` says where
  kUnauthenticated,   // who is asking is not known
  kPermissionDenied,  // who is asking may not
  kNotFound,
  kConflict,          // the state refuses: stale lease, stale spec, other uid
  kQueueNotEmpty,     // deletion without saying what becomes of the jobs
  kIdempotency,       // the key was used with other content
  kTooLarge,          // a limit on bytes
  kUnsupportedMedia,  // the body is not JSON
  kQueueFull,         // back-pressure
  kNamespaceFull,     // a limit on what a namespace may hold
  kQueuePaused,       // enqueue is paused
  kDiskFull,          // below the reserve
  kUnavailable,       // not reachable or shutting down: try again
  kDeadlineExceeded,  // the time for waiting is up
  kCorruption,        // what was read is not what was written
  kInternal,          // a defect of ours
};

// Stable kebab-case name, as in the `type` of a problem document: "queue-full".
std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;     // for people; never parsed
  std::string field = {};  // path of the member at fault ("spec.scaling.minReplicas"), or empty
};

// A T or an Error. Accessors are named as in C++23 std::expected; [[nodiscard]], so that no
// failure is dropped by accident.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }

  // Requires: holds a value.
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }

  // Requires: holds an error.
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

struct Ok {
  friend bool operator==(Ok, Ok) = default;
};
using Status = Result<Ok>;  // `return Ok{};` when there is nothing to hand back

}  // namespace sluice
