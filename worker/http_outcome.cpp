#include "worker/http_outcome.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/api/json_text.h"
#include "common/http/retry_after.h"
#include "worker/broker_json.h"
#include "worker/follow_ups.h"
#include "worker/text.h"

namespace sluice::worker {
namespace {

constexpr std::string_view kOutcomeType = "application/vnd.sluice.outcome+json";
constexpr std::size_t kShownNameBytesMax = 64;
constexpr std::size_t kOutcomeOverheadBytesMax = 4 * 1024;  // names, brackets, blanks

bool is_success(int status) {
  return status >= 200 && status < 300;
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// The members of an outcome document as they stand in it; views into `body`.
struct OutcomeDocument {
  std::optional<std::string_view> result;
  std::optional<std::string_view> enqueue;
};

Error bad_outcome(const std::string& why) {
  return {ErrorCode::kInvalidArgument, "the reply " + why};
}

Result<OutcomeDocument> read_outcome(std::string_view body) {
  body = trimmed(body);
  if (!body.starts_with('{')) return bad_outcome("is no JSON object");
  if (const auto fault = fault_for_broker(body)) return bad_outcome(*fault);
  OutcomeDocument document;
  for (const auto& [name, value] : api::member_texts(body)) {
    if (name != "result" && name != "enqueue") {
      return bad_outcome("has the member \"" + valid_utf8(name.substr(0, kShownNameBytesMax)) +
                         "\"; an outcome has result and enqueue");
    }
    auto& member = name == "result" ? document.result : document.enqueue;
    if (member) return bad_outcome("has the member " + name + " twice");
    member = value;
  }
  return document;
}

RunOutcome judge_outcome(const HttpReply& reply, std::size_t result_bytes_max) {
  if (reply.body_cut) {
    return bad_follow_up(
        "the reply has more than " +
        std::to_string(body_bytes_max(reply.status, reply.content_type, result_bytes_max)) +
        " bytes");
  }
  const auto document = read_outcome(reply.body);
  if (!document) return bad_follow_up(document.error().message);
  RunOutcome outcome{.result_json = std::string(document->result.value_or("null"))};
  if (outcome.result_json.size() > result_bytes_max) return result_too_large(result_bytes_max);
  if (document->enqueue) {
    auto jobs = parse_follow_up_array(*document->enqueue);
    if (!jobs) return bad_follow_up(std::move(jobs).error().message);
    outcome.follow_ups = *std::move(jobs);
  }
  return outcome;
}

std::string message_of(const HttpReply& reply) {
  TailBuffer kept;
  // The beginning says what went wrong; a trace may follow.
  kept.feed(std::string_view(reply.body).substr(0, TailBuffer::kBytesMax));
  const std::string status = "status " + std::to_string(reply.status);
  const std::string text = kept.text();
  return text.empty() ? status : status + ": " + text;
}

}  // namespace

bool is_outcome_document(int status, std::string_view content_type) {
  const std::string_view type = trimmed(content_type.substr(0, content_type.find(';')));
  return is_success(status) &&
         std::equal(type.begin(), type.end(), kOutcomeType.begin(), kOutcomeType.end(),
                    [](char a, char b) { return to_lower(a) == b; });
}

std::size_t body_bytes_max(int status, std::string_view content_type,
                           std::size_t result_bytes_max) {
  // One more than may be kept, so that a newline after the largest result is no fault.
  if (!is_outcome_document(status, content_type)) return result_bytes_max + 1;
  return result_bytes_max + kFollowUpBytesMax + kOutcomeOverheadBytesMax;
}

RunOutcome judge_reply(const HttpReply& reply, std::size_t result_bytes_max, TimePoint now) {
  if (is_outcome_document(reply.status, reply.content_type)) {
    return judge_outcome(reply, result_bytes_max);
  }
  if (is_success(reply.status)) {
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
