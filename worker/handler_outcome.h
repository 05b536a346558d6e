// What a run's end means for its job.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/api/job_protocol.h"
#include "worker/follow_ups.h"

namespace sluice::worker {

// Why we ended a handler, if it was we.
enum class StopCause { kNone, kTimeout, kCancelled, kLeaseLost, kShutdown };

// How a handler's process ended and what it left.
struct HandlerExit {
  int wait_status = 0;  // as waitpid gives it
  std::string output;
  bool output_cut = false;  // there was more than was kept
  std::string error_tail;
  std::string follow_ups;  // what it wrote on descriptor 5
  bool follow_ups_cut = false;
  bool out_of_memory = false;  // the kernel ended something of ours meanwhile
  StopCause stopped_by = StopCause::kNone;
};

struct RunOutcome {
  api::Outcome outcome = api::Outcome::kSucceeded;
  std::string result_json;
  FollowUps follow_ups;  // only of one that succeeded
  std::optional<api::RunError> error;
  std::optional<int> retry_after_seconds;  // the handler's wish
};

// Absent when there is nothing to say: the lease is lost, another run's outcome stands.
std::optional<RunOutcome> judge(const HandlerExit& exit, int timeout_seconds,
                                std::size_t result_bytes_max);

RunOutcome result_too_large(std::size_t result_bytes_max);
RunOutcome bad_follow_up(std::string message);

// `output` as JSON text: itself when the broker will take it as JSON, otherwise as a JSON string,
// null when it is blank.
std::string result_of_output(std::string_view output);

}  // namespace sluice::worker
