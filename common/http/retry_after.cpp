#include "common/http/retry_after.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>

namespace sluice::http {
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

}  // namespace

std::optional<int> parse_retry_after(std::string_view text, TimePoint now) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(" \t") - first + 1);
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

}  // namespace sluice::http
