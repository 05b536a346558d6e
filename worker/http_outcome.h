// What a server's answer means for its job.
#pragma once

#include <cstddef>
#include <string>

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

}  // namespace sluice::worker
