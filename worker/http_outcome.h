// What a server's answer means for its job.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "worker/handler_outcome.h"

namespace sluice::worker {

struct HttpReply {
  int status = 0;
  std::string body;
  bool body_cut = false;    // there was more than was kept
  std::string retry_after;  // the header's text
};

// 2xx succeeds with the body as result; any other status is a failure, and the broker decides by it
// whether the job is tried again (docs/handlers.md).
RunOutcome judge_reply(const HttpReply& reply, std::size_t result_bytes_max, TimePoint now);

// Seconds from `now`, at least 0 and at most a year, of a Retry-After header: a number of seconds
// or a date (RFC 9110, 10.2.3). Absent when it is neither.
std::optional<int> parse_retry_after(std::string_view text, TimePoint now);

}  // namespace sluice::worker
