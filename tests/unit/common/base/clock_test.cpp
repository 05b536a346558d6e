#include "common/base/clock.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace sluice {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr TimePoint kNoon =
    std::chrono::sys_days{std::chrono::year{2026} / 11 / 22} + seconds{43'200};

TEST(Rfc3339, WritesTheFractionDigitsThatAreNeeded) {
  EXPECT_EQ(format_rfc3339(kNoon), "2026-11-22T12:00:00Z");
  EXPECT_EQ(format_rfc3339(kNoon + microseconds{250'000}), "2026-11-22T12:00:00.250Z");
  EXPECT_EQ(format_rfc3339(kNoon + microseconds{1}), "2026-11-22T12:00:00.000001Z");
  EXPECT_EQ(format_rfc3339_millis(kNoon), "2026-11-22T12:00:00.000Z");
  EXPECT_EQ(format_rfc3339(TimePoint{microseconds{-1}}), "1969-12-31T23:59:59.999999Z");
}

TEST(Rfc3339, TimesBeyondFourDigitYearsAreCut) {
  EXPECT_EQ(format_rfc3339(TimePoint::max()), "9999-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_rfc3339(TimePoint::min()), "0000-01-01T00:00:00Z");
}

TEST(Rfc3339, ReadsOffsetsAndFractions) {
  struct Case {
    const char* text;
    TimePoint want;
  };
  const Case cases[] = {
      {"2026-11-22T12:00:00Z", kNoon},
      {"2026-11-22T13:30:00+01:30", kNoon},
      {"2026-11-22T04:00:00-08:00", kNoon},
      {"2026-11-22T12:00:00-00:00", kNoon},
      {"2026-11-22T12:00:00.25Z", kNoon + microseconds{250'000}},
      {"2026-11-22T12:00:00.1234567899Z", kNoon + microseconds{123'456}},
      {"2024-02-29T00:00:00Z", std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(parse_rfc3339(c.text), c.want);
  }
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  const char* const texts[] = {
      "",
      "2026-11-22",
      "2026-11-22T12:00:00",
      "2026-11-22 12:00:00Z",
      "2026-11-22T12:00Z",
      "2026-11-22T12:00:00.Z",
      "2026-11-22T12:00:00ZZ",
      "2026-11-22T12:00:00+1:00",
      "2026-11-22T12:00:00+24:00",
      "2026-11-22T12:00:00+01:60",
      "2026-02-29T00:00:00Z",
      "2026-00-01T00:00:00Z",
      "2026-13-01T00:00:00Z",
      "2026-11-22T24:00:00Z",
      "2026-11-22T12:60:00Z",
      "2026-11-22T12:00:60Z",
      "+026-11-22T12:00:00Z",
      "0000-01-01T00:00:00+00:01",
      "9999-12-31T23:59:59-00:01",
  };

  for (const char* const text : texts) {
    SCOPED_TRACE(text);
    EXPECT_EQ(parse_rfc3339(text), std::nullopt);
  }
}

RC_GTEST_PROP(Rfc3339, ReadsWhatItWrites, ()) {
  const std::int64_t last = 253'402'300'799'999'999;  // the end of the year 9999
  const TimePoint t{microseconds{*rc::gen::inRange<std::int64_t>(-62'167'219'200'000'000, last)}};

  RC_ASSERT(parse_rfc3339(format_rfc3339(t)) == t);
}

RC_GTEST_PROP(Rfc3339, AnyTextIsReadOrRefused, (const std::string& text)) {
  const auto t = parse_rfc3339(text);

  RC_ASSERT(!t || parse_rfc3339(format_rfc3339(*t)) == t);
}

TEST(SystemClock, SteadyTimeNeverGoesBack) {
  const SystemClock clock;

  const Now first = clock.now();
  const Now second = clock.now();

  EXPECT_LE(first.steady, second.steady);
}

}  // namespace
}  // namespace sluice
