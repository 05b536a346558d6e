#include "operator/plan/cron.h"

#include <date/tz.h>

#include <algorithm>
#include <exception>

namespace sluice::op {
namespace {

using LocalMinutes = date::local_time<std::chrono::minutes>;
using LocalDays = date::local_days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kSearchDays = 8 * 366;  // 29 February may be 8 years away, across 2100
constexpr date::sys_days kEarliest = date::year{1900} / 1 / 1;
constexpr date::sys_days kLatest = date::year{9000} / 1 / 1;
constexpr int kMinutesADay = 24 * 60;

// When a local time happens: in a gap at its end, when repeated the first time. Never decreases as
// `local` grows.
TimePoint instant_of(const date::time_zone& zone, LocalMinutes local) {
  const date::local_info info = zone.get_info(local);
  if (info.result == date::local_info::nonexistent) return info.first.end;
  return TimePoint{local.time_since_epoch() - info.first.offset};
}

// How far local times were ahead of those of `t`, where the clocks went back less than a day ago.
seconds fold_before(const date::time_zone& zone, date::sys_seconds t) {
  const date::sys_info info = zone.get_info(t);
  if (t - info.begin > hours{25}) return seconds{0};
  const date::sys_info before = zone.get_info(info.begin - seconds{1});
  return std::max(seconds{0}, before.offset - info.offset);
}

Error unknown_zone(std::string_view name) {
  return {ErrorCode::kInvalidArgument,
          "the time zone \"" + std::string(name.substr(0, 64)) + "\" is not known"};
}

// Calls `find` with the zone; the library throws for names it does not know.
template <typename Find>
Result<std::optional<TimePoint>> in_zone(std::string_view name, const Find& find) {
  try {
    return find(*date::locate_zone(std::string(name)));
  } catch (const std::exception&) {
    return unknown_zone(name);
  }
}

bool is_in_range(TimePoint t) {
  return t >= kEarliest && t < kLatest;
}

std::optional<TimePoint> within_range(TimePoint tick) {
  return is_in_range(tick) ? std::optional(tick) : std::nullopt;
}

struct Day {
  unsigned month;
  unsigned day;
  unsigned weekday;
};

Day parts_of(LocalDays day) {
  const date::year_month_day ymd{day};
  return {unsigned{ymd.month()}, unsigned{ymd.day()}, date::weekday{day}.c_encoding()};
}

}  // namespace

bool Cron::names_day(unsigned month, unsigned day, unsigned weekday) const {
  if (!months_[month]) return false;
  const bool by_day = days_[day];
  const bool by_weekday = weekdays_[weekday];
  return any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday;
}

Result<std::optional<TimePoint>> Cron::next(TimePoint after, std::string_view time_zone) const {
  return in_zone(time_zone, [&](const date::time_zone& zone) -> std::optional<TimePoint> {
    if (!is_in_range(after)) return std::nullopt;
    // Local times up to that of `after` are no later than `after`, for their order is kept.
    const auto sys = std::chrono::floor<seconds>(after);
    const LocalMinutes start = date::floor<minutes>(zone.to_local(sys)) + minutes{1};
    const LocalDays first_day = date::floor<date::days>(start);
    for (int i = 0; i < kSearchDays; ++i) {
      const LocalDays day = first_day + date::days{i};
      const Day parts = parts_of(day);
      if (!names_day(parts.month, parts.day, parts.weekday)) continue;
      const int begin = i == 0 ? static_cast<int>((start - LocalMinutes{day}).count()) : 0;
      for (int m = begin; m < kMinutesADay; ++m) {
        if (!hours_[static_cast<std::size_t>(m / 60)]) {
          m += 59 - m % 60;
          continue;
        }
        if (!minutes_[static_cast<std::size_t>(m % 60)]) continue;
        const TimePoint tick = instant_of(zone, LocalMinutes{day} + minutes{m});
        if (tick > after) return within_range(tick);
      }
    }
    return std::nullopt;
  });
}

Result<std::optional<TimePoint>> Cron::last(TimePoint until, std::string_view time_zone) const {
  return in_zone(time_zone, [&](const date::time_zone& zone) -> std::optional<TimePoint> {
    if (!is_in_range(until)) return std::nullopt;
    // In a repeated hour, local times ahead of this one may have been already.
    const auto sys = std::chrono::floor<seconds>(until);
    const LocalMinutes start = date::floor<minutes>(zone.to_local(sys) + fold_before(zone, sys));
    const LocalDays first_day = date::floor<date::days>(start);
    for (int i = 0; i < kSearchDays; ++i) {
      const LocalDays day = first_day - date::days{i};
      const Day parts = parts_of(day);
      if (!names_day(parts.month, parts.day, parts.weekday)) continue;
      const int begin =
          i == 0 ? static_cast<int>((start - LocalMinutes{day}).count()) : kMinutesADay - 1;
      for (int m = begin; m >= 0; --m) {
        if (!hours_[static_cast<std::size_t>(m / 60)]) {
          m -= m % 60;
          continue;
        }
        if (!minutes_[static_cast<std::size_t>(m % 60)]) continue;
        const TimePoint tick = instant_of(zone, LocalMinutes{day} + minutes{m});
        if (tick <= until) return within_range(tick);
      }
    }
    return std::nullopt;
  });
}

bool is_time_zone(std::string_view time_zone) {
  try {
    return date::locate_zone(std::string(time_zone)) != nullptr;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace sluice::op
