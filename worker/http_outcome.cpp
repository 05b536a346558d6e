#include "worker/http_outcome.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <utility>

#include "worker/text.h"

namespace sluice::worker {
namespace {

constexpr std::int64_t kRetryAfterSecondsMax = 365 * 24 * 3600;

int bounded(std::int64_t seconds) {
  return static_cast<int>(std::clamp<std::int64_t>(seconds, 0, kRetryAfterSecondsMax));
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the one form that servers may send.
std::optional<TimePoint> parse_http_date(const std::string& text) {
  using namespace std::chrono;
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  unsigned day_number = 0;
  char month_name[4] = {};
  int year_number = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (std::sscanf(text.c_str(), "%*3s, %2u %3s %4d %2d:%2d:%2d GMT", &day_number, month_name,
                  &year_number, &hour, &minute, &second) != 6) {
    return std::nullopt;
  }
  const auto found = std::find(kMonths.begin(), kMonths.end(), month_name);
  const auto month_number = static_cast<unsigned>(found - kMonths.begin()) + 1;
  const year_month_day date{year{year_number}, month{month_number}, day{day_number}};
  const bool is_time =
      hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second <= 60;
  if (!date.ok() || !is_time) return std::nullopt;
  return sys_days{date} + hours{hour} + minutes{minute} + seconds{second};
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

std::optional<int> parse_retry_after(std::string_view text, TimePoint now) {
  text = trimmed(text);
  if (text.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (end == text.data() + text.size()) {
    if (error == std::errc::result_out_of_range) return bounded(kRetryAfterSecondsMax);
    if (error == std::errc{} && seconds >= 0) return bounded(seconds);
    return std::nullopt;
  }
  const auto date = parse_http_date(std::string(text));
  if (!date) return std::nullopt;
  return bounded(std::chrono::ceil<std::chrono::seconds>(*date - now).count());
}

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
          .retry_after_seconds = parse_retry_after(reply.retry_after, now)};
}

}  // namespace sluice::worker
