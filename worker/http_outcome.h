// What a server's answer means for its job.
#pragma once

#include <cstddef>
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
  std::string content_type;
};

// Whether a reply of this status and Content-Type says its outcome as
// {"result": …, "enqueue": [job…]} (ADR 17).
bool is_outcome_document(int status, std::string_view content_type);

// The largest body that may mean success.
std::size_t body_bytes_max(int status, std::string_view content_type, std::size_t result_bytes_max);

// 2xx succeeds with the body as result, or with what an outcome document says; any other status is
// a failure, and the broker decides by it whether the job is tried again (docs/handlers.md).
RunOutcome judge_reply(const HttpReply& reply, std::size_t result_bytes_max, TimePoint now);

}  // namespace sluice::worker
