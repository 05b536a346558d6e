#include "common/base/clock.h"

#include <algorithm>

namespace sluice {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// RFC 3339 has four digits for the year.
constexpr TimePoint kFirst = std::chrono::sys_days{std::chrono::year{0} / 1 / 1};
constexpr TimePoint kLast = std::chrono::sys_days{std::chrono::year{10'000} / 1 / 1} - Duration{1};

void append_digits(std::string& out, std::int64_t number, int width) {
  const std::size_t start = out.size();
  out.append(static_cast<std::size_t>(width), '0');
  for (std::size_t at = out.size(); at > start; number /= 10) {
    out[--at] = static_cast<char>('0' + number % 10);
  }
}

// Takes characters off the front of a text; a mismatch makes it fail for good.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

  bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool next_is_digit() const {
    return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
  }

  void expect(char c) {
    if (!next_is(c)) {
      failed_ = true;
      return;
    }
    rest_.remove_prefix(1);
  }

  int digits(int count) {
    int number = 0;
    for (int i = 0; i < count; ++i) {
      number = number * 10 + digit();
    }
    return number;
  }

  int digit() {
    if (!next_is_digit()) {
      failed_ = true;
      return 0;
    }
    const int value = rest_.front() - '0';
    rest_.remove_prefix(1);
    return value;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// ".25" as 250'000 µs; nothing when there is no fraction. Digits beyond microseconds are cut.
Duration read_fraction(Reader& reader) {
  if (!reader.next_is('.')) return Duration::zero();
  reader.expect('.');
  Duration fraction{0};
  Duration unit{100'000};
  do {
    fraction += unit * reader.digit();
    unit /= 10;
  } while (reader.next_is_digit());
  return fraction;
}

// "Z", "+01:00": what is added to UTC to give the local time.
minutes read_offset(Reader& reader) {
  if (reader.next_is('Z')) {
    reader.expect('Z');
    return minutes{0};
  }
  const bool west = reader.next_is('-');
  reader.expect(west ? '-' : '+');
  const int hour = reader.digits(2);
  reader.expect(':');
  const int minute = reader.digits(2);
  // One more than a day's worth cannot be reached by a valid offset: the caller refuses it.
  if (hour > 23 || minute > 59) return days{1};
  const minutes offset = hours{hour} + minutes{minute};
  return west ? -offset : offset;
}

std::string format(TimePoint t, int fraction_digits) {
  const auto day = std::chrono::floor<days>(t);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{t - day};

  std::string out;
  out.reserve(sizeof "2026-11-22T16:00:00.123456Z");
  append_digits(out, static_cast<int>(date.year()), 4);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_digits(out, time.hours().count(), 2);
  out += ':';
  append_digits(out, time.minutes().count(), 2);
  out += ':';
  append_digits(out, time.seconds().count(), 2);
  if (fraction_digits > 0) {
    out += '.';
    const std::int64_t micros = time.subseconds().count();
    append_digits(out, fraction_digits == 3 ? micros / 1000 : micros, fraction_digits);
  }
  out += 'Z';
  return out;
}

}  // namespace

Now SystemClock::now() const {
  return {std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()),
          std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now())};
}

std::string format_rfc3339(TimePoint t) {
  t = std::clamp(t, kFirst, kLast);
  const auto micros = (t - std::chrono::floor<seconds>(t)).count();
  if (micros == 0) return format(t, 0);
  return format(t, micros % 1000 == 0 ? 3 : 6);
}

std::string format_rfc3339_millis(TimePoint t) {
  return format(std::clamp(t, kFirst, kLast), 3);
}

std::optional<TimePoint> parse_rfc3339(std::string_view text) {
  Reader reader(text);
  const std::chrono::year year{reader.digits(4)};
  reader.expect('-');
  const std::chrono::month month{static_cast<unsigned>(reader.digits(2))};
  reader.expect('-');
  const std::chrono::day day{static_cast<unsigned>(reader.digits(2))};
  reader.expect('T');
  const int hour = reader.digits(2);
  reader.expect(':');
  const int minute = reader.digits(2);
  reader.expect(':');
  const int second = reader.digits(2);
  const Duration fraction = read_fraction(reader);
  const minutes offset = read_offset(reader);
  if (reader.failed() || !reader.at_end()) return std::nullopt;

  const std::chrono::year_month_day date{year, month, day};
  if (!date.ok() || hour > 23 || minute > 59 || second > 59 || offset >= days{1}) {
    return std::nullopt;
  }
  const TimePoint t = std::chrono::sys_days{date} + hours{hour} + minutes{minute} +
                      seconds{second} + fraction - offset;
  if (t < kFirst || t > kLast) return std::nullopt;
  return t;
}

}  // namespace sluice
