// Bodies of the enqueue calls. Payload bytes are spliced in as they came, never printed anew.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/api/resources.h"
#include "common/base/result.h"

namespace sluice::cli {

// What the flags of `sluice enqueue` say about every job of the call.
struct JobFields {
  std::optional<int> priority;
  std::optional<int> delay_seconds;
  std::string run_at;      // RFC 3339, as given
  std::string expires_at;  // RFC 3339, as given
  std::optional<int> timeout_seconds;
  std::string tenant;
  std::string key;
  api::Labels labels;
  std::vector<std::string> depends_on;
  bool run_on_parent_failure = false;
  std::string unique_key;
  bool replace = false;
  std::string callback;         // URL that is told how the job ended
  std::string callback_secret;  // name of the secret that signs it

  bool is_empty() const {
    return !priority && !delay_seconds && run_at.empty() && expires_at.empty() &&
           !timeout_seconds && tenant.empty() && key.empty() && labels.empty() &&
           depends_on.empty() && !run_on_parent_failure && unique_key.empty() && callback.empty();
  }
};

// The key of one line of one invocation: the same whenever the line is sent again, so that a lost
// reply, or a rerun with the same prefix, makes no second job.
std::string line_key(std::string_view prefix, std::int64_t line_number);

// The job of one payload. kInvalidArgument when it is not JSON.
Result<std::string> job_body(const JobFields& fields, std::string_view payload,
                             std::string_view idempotency_key);

// A line that is a whole job object, given `idempotency_key` unless it has one of its own.
Result<std::string> envelope_body(std::string_view line, std::string_view idempotency_key);

// What a bulk call's jobs are together.
struct GroupFields {
  bool wanted = false;
  std::string callback;         // URL that is told when all have ended
  std::string callback_secret;  // name of the secret that signs it
};

// The same for every call with this prefix, as line_key().
std::string group_id(std::string_view prefix);
// The group of one of its batches; more of them come while `open`.
std::string group_body(const GroupFields& fields, std::string_view id, bool open);

// `group` empty: none.
std::string batch_body(const std::vector<std::string>& job_bodies, const std::string& group = {});

}  // namespace sluice::cli
