#include "operator/plan/cron.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace sluice::op {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TimePoint at(const char* rfc3339) {
  return parse_rfc3339(rfc3339).value();
}

Cron cron_of(const std::string& expression) {
  auto cron = Cron::parse(expression, "default/nightly");
  EXPECT_TRUE(cron) << expression << ": " << (cron ? "" : cron.error().message);
  return cron ? *cron : *Cron::parse("0 0 31 2 *", "");
}

std::string next_of(const std::string& expression, const char* after, const char* zone) {
  const auto tick = cron_of(expression).next(at(after), zone);
  if (!tick) return tick.error().message;
  return *tick ? format_rfc3339(**tick) : "never";
}

TEST(Cron, FindsTheNextTick) {
  struct Case {
    const char* expression;
    const char* after;
    const char* want;
  };
  const Case cases[] = {
      {"* * * * *", "2026-11-22T16:00:00Z", "2026-11-22T16:01:00Z"},
      {"* * * * *", "2026-11-22T15:59:59.999999Z", "2026-11-22T16:00:00Z"},
      {"*/5 * * * *", "2026-11-22T16:56:00Z", "2026-11-22T17:00:00Z"},
      {"10-40/10 * * * *", "2026-11-22T16:40:00Z", "2026-11-22T17:10:00Z"},
      {"5/15 * * * *", "2026-11-22T16:35:00Z", "2026-11-22T16:50:00Z"},
      {"1,2,30 4 * * *", "2026-11-22T04:02:00Z", "2026-11-22T04:30:00Z"},
      {"0 12 * JAN mon", "2026-11-22T16:00:00Z", "2027-01-04T12:00:00Z"},
      {"0 12 * * Sat-SUN", "2026-11-20T16:00:00Z", "2026-11-21T12:00:00Z"},
      {"0 12 * * 7", "2026-11-22T16:00:00Z", "2026-11-29T12:00:00Z"},
      {"0 12 ? * 5-7", "2026-11-22T16:00:00Z", "2026-11-27T12:00:00Z"},
      {"0 0 13 * 5", "2026-11-22T00:00:00Z", "2026-11-27T00:00:00Z"},   // either
      {"0 0 */2 * 5", "2026-11-22T00:00:00Z", "2026-11-27T00:00:00Z"},  // both: the 27th is odd
      {"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},   // across 2100
      {"0 0 31 2 *", "2026-11-22T16:00:00Z", "never"},
      {"@yearly", "8998-11-22T16:00:00Z", "8999-01-01T00:00:00Z"},
      {"@yearly", "8999-11-22T16:00:00Z", "never"},  // found by fuzzing: 9000 has no ticks
      {"@yearly", "2026-11-22T16:00:00Z", "2027-01-01T00:00:00Z"},
      {"@monthly", "2026-11-22T16:00:00Z", "2026-12-01T00:00:00Z"},
      {"@weekly", "2026-11-22T16:00:00Z", "2026-11-29T00:00:00Z"},
      {"@Daily", "2026-11-22T16:00:00Z", "2026-11-23T00:00:00Z"},
      {"@hourly", "2026-11-22T16:00:00Z", "2026-11-22T17:00:00Z"},
      {"  0\t0  *  *  * ", "2026-11-22T16:00:00Z", "2026-11-23T00:00:00Z"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.expression);
    EXPECT_EQ(next_of(c.expression, c.after, "UTC"), c.want);
  }
}

// SURVIVAL 9.
TEST(Cron, KeepsItsHoursOverDaylightSaving) {
  struct Case {
    const char* name;
    const char* zone;
    const char* expression;
    const char* after;
    const char* want;
  };
  const Case cases[] = {
      {"Berlin: in the gap fires at its end", "Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z",
       "2026-03-29T01:00:00Z"},
      {"Berlin: the day after the gap", "Europe/Berlin", "30 2 * * *", "2026-03-29T01:00:00Z",
       "2026-03-30T00:30:00Z"},
      {"Berlin: repeated hour, the first time", "Europe/Berlin", "30 2 * * *",
       "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
      {"Berlin: repeated hour, once", "Europe/Berlin", "30 2 * * *", "2026-10-25T00:30:00Z",
       "2026-10-26T01:30:00Z"},
      {"Berlin: from within the second pass", "Europe/Berlin", "*/15 * * * *",
       "2026-10-25T01:10:00Z", "2026-10-25T02:00:00Z"},
      {"New York: gap", "America/New_York", "0 2 * * *", "2026-03-08T00:00:00Z",
       "2026-03-08T07:00:00Z"},
      {"New York: repeated", "America/New_York", "0 1 * * *", "2026-11-01T00:00:00Z",
       "2026-11-01T05:00:00Z"},
      {"New York: repeated, once", "America/New_York", "0 1 * * *", "2026-11-01T05:00:00Z",
       "2026-11-02T06:00:00Z"},
      {"Lord Howe: a gap of half an hour", "Australia/Lord_Howe", "15 2 * * *",
       "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"},
      {"Lord Howe: half an hour repeated", "Australia/Lord_Howe", "45 1 * * *",
       "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z"},
      {"Sao Paulo 2018: midnight did not exist", "America/Sao_Paulo", "0 0 * * *",
       "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"},
      {"Sao Paulo 2019: 23:30 repeated", "America/Sao_Paulo", "30 23 * * *", "2019-02-16T12:00:00Z",
       "2019-02-17T01:30:00Z"},
      {"Kolkata: no daylight saving, half hours", "Asia/Kolkata", "0 9 * * *",
       "2026-06-01T00:00:00Z", "2026-06-01T03:30:00Z"},
      {"Apia 2011: a whole day left out", "Pacific/Apia", "0 12 30 12 *", "2011-12-29T00:00:00Z",
       "2011-12-30T10:00:00Z"},
      {"UTC", "UTC", "30 2 * * *", "2026-03-29T00:00:00Z", "2026-03-29T02:30:00Z"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(next_of(c.expression, c.after, c.zone), c.want);
  }
}

TEST(Cron, NamesTheFieldThatIsWrong) {
  struct Case {
    const char* expression;
    const char* want;
  };
  const Case cases[] = {
      {"0 24 * * *", "hour: 24 is above 23"},
      {"60 * * * *", "minute: 60 is above 59"},
      {"* * 0 * *", "day of month: 0 is below 1"},
      {"* * * foo *", "month: \"foo\" is not a value"},
      {"* * * * 8", "day of week: 8 is above 7"},
      {"5-1 * * * *", "minute: the range 5-1 runs backwards"},
      {"*/0 * * * *", "minute: the step must be at least 1"},
      {"*/61 * * * *", "minute: the step 61 is above 60"},
      {"1,,2 * * * *", "minute: a value is missing"},
      {"1, * * * *", "minute: a value is missing"},
      {"* -1 * * *", "hour: a value is missing"},
      {"99999999999999999999 * * * *", "minute: \"99999999999999999999\" is not a value"},
      {"H(5 * * * *", "minute: \"H(5\" is not H or H(low-high)"},
      {"H(0-99) * * * *", "minute: 99 is above 59"},
      {"* * * *", "there are 4 fields, not 5 (minute, hour, day of month, month, day of week)"},
      {"", "there are 0 fields, not 5 (minute, hour, day of month, month, day of week)"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.expression);
    const auto cron = Cron::parse(c.expression, "a/b");
    ASSERT_FALSE(cron);
    EXPECT_EQ(cron.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(cron.error().message, c.want);
  }
  EXPECT_FALSE(Cron::parse("@every 5m", "a/b"));
  EXPECT_FALSE(Cron::parse("@reboot", "a/b"));
  EXPECT_FALSE(Cron::parse(std::string(10'000, '*'), "a/b"));
}

TEST(Cron, UnknownZoneIsAnError) {
  const Cron cron = cron_of("* * * * *");
  for (const char* zone : {"", "Mars/Olympus", "../../etc/passwd", "europe/berlin"}) {
    SCOPED_TRACE(zone);
    EXPECT_FALSE(cron.next(at("2026-11-22T16:00:00Z"), zone));
    EXPECT_FALSE(is_time_zone(zone));
  }
  EXPECT_TRUE(is_time_zone("Europe/Berlin"));
}

std::vector<int> minutes_of(const std::string& expression, const std::string& seed) {
  const auto cron = Cron::parse(expression, seed);
  std::vector<int> found;
  TimePoint t = at("2026-11-22T15:59:59Z");
  while (cron) {
    const auto tick = cron->next(t, "UTC");
    if (!tick || !*tick || **tick >= at("2026-11-22T17:00:00Z")) break;
    t = **tick;
    found.push_back(static_cast<int>((t - at("2026-11-22T16:00:00Z")) / minutes{1}));
  }
  return found;
}

TEST(Cron, HashedFieldsStandStillAndSpread) {
  std::set<int> places;
  for (int i = 0; i < 200; ++i) {
    const std::string seed = "default/schedule-" + std::to_string(i);
    const auto once = minutes_of("H * * * *", seed);
    ASSERT_EQ(once.size(), 1u);
    EXPECT_EQ(once, minutes_of("H * * * *", seed));
    places.insert(once[0]);

    EXPECT_EQ(minutes_of("H/15 * * * *", seed).size(), 4u);
    EXPECT_LT(minutes_of("H(0-29) * * * *", seed).at(0), 30);
    const auto steps = minutes_of("H(0-29)/10 * * * *", seed);
    ASSERT_EQ(steps.size(), 3u);
    EXPECT_EQ(steps[1] - steps[0], 10);
    EXPECT_LT(steps[2], 30);
    EXPECT_TRUE(Cron::parse("H H H H H", seed));
  }
  EXPECT_GT(places.size(), 40u);
}

// --- properties --------------------------------------------------------------------------------

const char* const kZones[] = {"UTC",          "Europe/Berlin",     "America/New_York",
                              "Asia/Kolkata", "America/Sao_Paulo", "Australia/Lord_Howe",
                              "Pacific/Apia"};

std::string random_field(int low, int high) {
  const int a = *rc::gen::inRange(low, high + 1);
  const int b = *rc::gen::inRange(a, high + 1);
  const int step = *rc::gen::inRange(1, high - low + 1);
  switch (*rc::gen::inRange(0, 5)) {
    case 0:
      return std::to_string(a);
    case 1:
      return std::to_string(a) + "-" + std::to_string(b);
    case 2:
      return "*/" + std::to_string(step);
    case 3:
      return std::to_string(a) + "," + std::to_string(b);
    default:
      return "*";
  }
}

std::string random_expression() {
  return random_field(0, 59) + " " + random_field(0, 23) + " " + random_field(1, 31) + " " +
         random_field(1, 12) + " " + random_field(0, 7);
}

TimePoint random_time() {
  const auto since = *rc::gen::inRange<std::int64_t>(0, 30ll * 365 * 86'400 * 1'000'000);
  return at("2005-01-01T00:00:00Z") + Duration{since};
}

RC_GTEST_PROP(CronProperty, TicksComeLaterAndInOrder, ()) {
  const Cron cron = cron_of(random_expression());
  const char* zone =
      *rc::gen::elementOf(std::vector<const char*>(std::begin(kZones), std::end(kZones)));
  const TimePoint t = random_time();
  const TimePoint later = t + Duration{*rc::gen::inRange<std::int64_t>(0, 90ll * 86'400'000'000)};

  const auto first = *cron.next(t, zone);
  const auto second = *cron.next(later, zone);

  if (!first) return;
  RC_ASSERT(*first > t);
  RC_ASSERT(first->time_since_epoch() % seconds{1} == Duration::zero());
  if (second) RC_ASSERT(*second >= *first);
  RC_ASSERT(*cron.last(*first, zone) == first);
  RC_ASSERT(*cron.next(*first - Duration{1}, zone) == first);
  if (second && *first < *second) {
    const auto before = *cron.last(*second - Duration{1}, zone);
    RC_ASSERT(before && *before >= *first && *before < *second);
  }
}

// A field as text, and by a definition of its own which values it names.
struct OneField {
  std::string text;
  std::set<int> values;
};

OneField random_values(int low, int high) {
  const int a = *rc::gen::inRange(low, high + 1);
  const int b = *rc::gen::inRange(a, high + 1);
  const int step = *rc::gen::inRange(1, high - low + 1);
  OneField field{std::to_string(a) + "-" + std::to_string(b) + "/" + std::to_string(step), {}};
  for (int v = low; v <= high; ++v) {
    if (v >= a && v <= b && (v - a) % step == 0) field.values.insert(v);
  }
  return field;
}

RC_GTEST_PROP(CronProperty, MatchesAScanOfEveryMinute, ()) {
  const OneField minute = random_values(0, 59);
  const OneField hour = random_values(0, 23);
  const OneField weekday = random_values(0, 6);
  const Cron cron = cron_of(minute.text + " " + hour.text + " * * " + weekday.text);
  const TimePoint start = random_time();
  const TimePoint end = start + std::chrono::hours{8 * 24};

  std::vector<TimePoint> by_scan;
  for (TimePoint t = std::chrono::floor<minutes>(start) + minutes{1}; t <= end; t += minutes{1}) {
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const auto of_day = static_cast<int>((t - day) / minutes{1});
    const auto day_of_week = static_cast<int>(std::chrono::weekday{day}.c_encoding());
    if (minute.values.contains(of_day % 60) && hour.values.contains(of_day / 60) &&
        weekday.values.contains(day_of_week)) {
      by_scan.push_back(t);
    }
  }
  std::vector<TimePoint> by_next;
  for (auto tick = *cron.next(start, "UTC"); tick && *tick <= end;
       tick = *cron.next(*tick, "UTC")) {
    by_next.push_back(*tick);
  }
  RC_ASSERT(by_next == by_scan);
}

}  // namespace
}  // namespace sluice::op
