#include "cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

using namespace std::chrono_literals;
using Align = Column::Align;

TEST(Table, AlignsColumnsAndTrimsLineEnds) {
  Table table({{"NAME"}, {"READY", Align::kRight}, {"PAUSED"}});
  table.add_row({"mail", "12", ""});
  table.add_row({"thumbnails", "1,200", "both"});

  EXPECT_EQ(table.render(),
            "NAME        READY  PAUSED\n"
            "mail           12  -\n"
            "thumbnails  1,200  both\n");
}

TEST(Table, CutsOnlyColumnsThatShrink) {
  Table table({{"ID"}, {"MESSAGE", Align::kLeft, true}});
  table.add_row({std::string(36, 'a'), std::string(200, 'b')});

  const std::string text = table.render(60);

  EXPECT_THAT(text,
              ::testing::HasSubstr(std::string(36, 'a') + "  " + std::string(21, 'b') + "…\n"));
}

TEST(Table, CutsBetweenCharactersNotInsideThem) {
  Table table({{"MESSAGE", Align::kLeft, true}});
  table.add_row({"äöüäöüäöüäöü"});

  EXPECT_EQ(table.render(10), "MESSAGE\näöüäöüäöü…\n");
}

TEST(Table, KeepsControlCharactersFromTheTerminal) {
  Table table({{"MESSAGE"}});
  table.add_row({"a\nb\x1b[2J"});

  EXPECT_EQ(table.render(), "MESSAGE\na b [2J\n");
}

TEST(FormatAge, ReadsAsKubectlDoes) {
  struct Case {
    Duration age;
    const char* want;
  };
  const Case cases[] = {
      {-5s, "0s"},    {0s, "0s"},       {119s, "119s"},    {120s, "2m"}, {310s, "5m10s"},
      {10min, "10m"}, {179min, "179m"}, {200min, "3h20m"}, {3h, "3h"},   {17h + 5min, "17h"},
      {47h, "47h"},   {77h, "3d5h"},    {24h * 40, "40d"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.want);
    EXPECT_EQ(format_age(c.age), c.want);
  }
}

TEST(FormatCount, GroupsThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1'000), "1,000");
  EXPECT_EQ(format_count(-1'234'567), "-1,234,567");
  EXPECT_EQ(format_count(-123), "-123");
}

TEST(FormatRate, HasTheDecimalsItNeeds) {
  EXPECT_EQ(format_rate(0), "0/s");
  EXPECT_EQ(format_rate(0.001), "<0.01/s");
  EXPECT_EQ(format_rate(0.04), "0.04/s");
  EXPECT_EQ(format_rate(0.097), "0.1/s");
  EXPECT_EQ(format_rate(0.44), "0.4/s");
  EXPECT_EQ(format_rate(1'234.5), "1,235/s");
}

}  // namespace
}  // namespace sluice::cli
