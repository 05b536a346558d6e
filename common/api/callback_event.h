// What a callback tells its receiver: the body of a Standard Webhooks message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/api/job_protocol.h"
#include "common/api/resources.h"
#include "common/base/clock.h"

namespace sluice::api {

struct CallbackEvent {
  std::string id;
  std::string namespace_name;
  std::string queue;
  JobState state = JobState::kSucceeded;  // one that has ended
  int attempts = 0;                       // runs that failed
  TimePoint created_at;
  TimePoint finished_at;
  Labels labels;
  std::optional<RunError> error;
  std::string_view result_json;  // JSON text; empty: none. Borrowed for the call.
};

// The end of a group of jobs.
struct GroupEvent {
  std::string id;
  std::string namespace_name;
  std::string queue;
  std::uint32_t total = 0;
  std::uint32_t succeeded = 0;
  std::uint32_t dead = 0;
  std::uint32_t cancelled = 0;
  TimePoint created_at;
  TimePoint finished_at;
};

// {"type":"group.finished","timestamp":…,"data":{the group}}
std::string encode(const GroupEvent& event);

// {"type":"job.succeeded","timestamp":…,"data":{the job}}; type: job.succeeded, job.dead or
// job.cancelled. The result's bytes are put in as they are.
std::string encode(const CallbackEvent& event);

}  // namespace sluice::api
