#include "common/base/log.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace sluice {
namespace {

constexpr TimePoint kNow{std::chrono::milliseconds{1'795'363'200'123}};

std::string line(LogFormat format, std::string_view event, std::initializer_list<LogField> fields) {
  return format_log_line(format, kNow, LogLevel::kInfo, "sluice-broker", event,
                         {fields.begin(), fields.size()});
}

TEST(LogLine, TextIsReadable) {
  EXPECT_EQ(
      line(LogFormat::kText, "queue configured", {{"queue", "mail"}, {"generation", 2}}),
      "2026-11-22T16:00:00.123Z INFO  sluice-broker queue configured queue=mail generation=2");
}

TEST(LogLine, JsonIsOneFlatObject) {
  EXPECT_EQ(line(LogFormat::kJson, "queue configured",
                 {{"queue", "mail"}, {"generation", 2}, {"paused", true}}),
            R"({"time":"2026-11-22T16:00:00.123Z","level":"info","program":"sluice-broker",)"
            R"("event":"queue configured","queue":"mail","generation":2,"paused":true})");
}

TEST(LogLine, TextQuotesWhatDoesNotStandAlone) {
  struct Case {
    const char* value;
    const char* want;
  };
  const Case cases[] = {
      {"", "k=\"\""},
      {"a b", "k=\"a b\""},
      {"a=b", "k=\"a=b\""},
      {"say \"hi\"", "k=\"say \\\"hi\\\"\""},
      {"two\nlines", "k=\"two\\nlines\""},
      {"\x1b[31m", "k=\"\\u001b[31m\""},
      {"grün", "k=grün"},
      {"\xff", "k=\"\\ufffd\""},
      {"\xe2\x80\xa8", "k=\"\\u2028\""},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.want);
    EXPECT_EQ(line(LogFormat::kText, "e", {{"k", c.value}}),
              std::string("2026-11-22T16:00:00.123Z INFO  sluice-broker e ") + c.want);
  }
}

TEST(LogLine, NumbersThatJsonDoesNotKnowAreStrings) {
  const double inf = std::numeric_limits<double>::infinity();

  EXPECT_NE(line(LogFormat::kJson, "e", {{"k", inf}}).find(R"("k":"inf"})"), std::string::npos);
}

RC_GTEST_PROP(LogLine, AnyValueStaysOnOneLine, (const std::string& value)) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string text = line(format, "event", {{"key", value}});
    for (const char c : text) RC_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  }
}

TEST(Log, WritesOneLineToStandardError) {
  testing::internal::CaptureStderr();

  log_info("queue configured", {{"queue", "two\nlines"}});
  log_debug("not shown by default");

  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(written.ends_with("INFO  sluice queue configured queue=\"two\\nlines\"\n"))
      << written;
  EXPECT_EQ(std::count(written.begin(), written.end(), '\n'), 1);
}

}  // namespace
}  // namespace sluice
