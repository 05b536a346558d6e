#include "worker/http_outcome.h"

#include <utility>

#include "common/http/retry_after.h"
#include "worker/text.h"

namespace sluice::worker {
namespace {

std::string message_of(const HttpReply& reply) {
  TailBuffer kept;
  // The beginning says what went wrong; a trace may follow.
  kept.feed(std::string_view(reply.body).substr(0, TailBuffer::kBytesMax));
  const std::string status = "status " + std::to_string(reply.status);
  const std::string text = kept.text();
  return text.empty() ? status : status + ": " + text;
}

}  // namespace

RunOutcome judge_reply(const HttpReply& reply, std::size_t result_bytes_max, TimePoint now) {
  if (reply.status >= 200 && reply.status < 300) {
    std::string result = reply.body_cut ? "" : result_of_output(reply.body);
    if (reply.body_cut || result.size() > result_bytes_max) {
      return result_too_large(result_bytes_max);
    }
    return {.result_json = std::move(result)};
  }
  return {.outcome = api::Outcome::kFailed,
          .error = api::RunError{.reason = "HttpStatus",
                                 .message = message_of(reply),
                                 .http_status = reply.status},
          .retry_after_seconds = http::parse_retry_after(reply.retry_after, now)};
}

}  // namespace sluice::worker
