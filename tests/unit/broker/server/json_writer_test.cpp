#include "broker/server/json_writer.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

TEST(JsonWriter, PlacesCommasByWhatCameBefore) {
  std::string out;
  JsonWriter json(out);

  json.begin_object().member("a", 1).key("b").begin_array().value("x").value(true);
  json.begin_object().end_object().end_array().member("c", 0.5).end_object();

  EXPECT_EQ(out, R"({"a":1,"b":["x",true,{}],"c":0.5})");
}

TEST(JsonWriter, EscapesWhatCannotStandInAString) {
  struct Case {
    const char* name;
    std::string_view text;
    std::string_view want;
  };
  const Case cases[] = {
      {"plain", "abc", R"("abc")"},
      {"quote and backslash", R"(a"b\c)", R"("a\"b\\c")"},
      {"line ends", "a\nb\r\t", R"("a\nb\r\t")"},
      {"control characters", std::string_view{"\0\x1f", 2}, R"("\u0000\u001f")"},
      {"UTF-8 stays", "zäh", "\"zäh\""},
      {"empty", "", R"("")"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::string out;
    JsonWriter(out).value(c.text);
    EXPECT_EQ(out, c.want);
  }
}

TEST(JsonWriter, LeavesOutWhatIsAbsent) {
  std::string out;

  JsonWriter(out)
      .begin_object()
      .member("no", std::optional<int>{})
      .member("yes", std::optional<int>{3})
      .member_if_set("empty", "")
      .end_object();

  EXPECT_EQ(out, R"({"yes":3})");
}

TEST(JsonWriter, WritesLinesOfObjectsWithoutCommas) {
  std::string out;

  JsonWriter(out).begin_object().end_object();
  out.push_back('\n');
  JsonWriter(out).begin_object().end_object();

  EXPECT_EQ(out, "{}\n{}");
}

}  // namespace
}  // namespace sluice::broker
