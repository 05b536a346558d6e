#include "broker/server/json_view.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "broker/server/json_writer.h"
#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

bool is_accepted(std::string text) {
  JsonValidator validator;
  return static_cast<bool>(validator.check(text));
}

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

// SURVIVAL 27.
TEST(JsonValidator, RefusesHostileJson) {
  struct Case {
    const char* name;
    std::string text;
  };
  const Case cases[] = {
      {"nothing", ""},
      {"white space", "  "},
      {"cut off", R"({"a":)"},
      {"two documents", "{} {}"},
      {"trailing comma", R"({"a":1,})"},
      {"a comment", "{/**/}"},
      {"single quotes", "{'a':1}"},
      {"NaN", R"({"a":NaN})"},
      {"infinity by overflow", R"({"a":1e400})"},
      {"negative infinity by overflow", R"({"a":-1e400})"},
      {"over 64 bits", R"({"a":18446744073709551616})"},
      {"under 64 bits", R"({"a":-9223372036854775809})"},
      {"leading zero", R"({"a":01})"},
      {"lone high surrogate", R"({"a":"\ud800"})"},
      {"lone low surrogate", R"({"a":"\udc00"})"},
      {"high surrogate before a letter", R"({"a":"\ud800\u0041"})"},
      {"surrogate as UTF-8", "{\"a\":\"\xED\xA0\x80\"}"},
      {"overlong UTF-8", "{\"a\":\"\xC0\x80\"}"},
      {"a raw newline in a string", "{\"a\":\"\n\"}"},
      {"too deep", nested(limits::kJsonDepthMax + 10)},
      {"far too deep", nested(100'000)},
      {"unclosed and deep", std::string(100'000, '[')},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_FALSE(is_accepted(c.text));
  }
}

TEST(JsonValidator, AcceptsWhatRfc8259Accepts) {
  const char* const cases[] = {"null",         "0",          R"("\ud83d\ude00")",
                               "[1,2.5e3,-0]", R"({"":{}})", "18446744073709551615",
                               " [ ] "};
  for (const char* text : cases) {
    SCOPED_TRACE(text);
    EXPECT_TRUE(is_accepted(text));
  }
  EXPECT_TRUE(is_accepted(nested(limits::kJsonDepthMax)));
}

TEST(JsonView, GivesEachMemberWithItsExactBytes) {
  const JsonView view(R"( {"a" : { "x": [1, 2] } , "b\u0063":"}]\"", "n": -1.50e1 , "z":null} )");
  std::vector<std::pair<std::string, std::string>> members;

  view.for_each_member([&](std::string_view name, JsonView value) {
    members.emplace_back(name, value.raw());
    return true;
  });

  const std::vector<std::pair<std::string, std::string>> want = {
      {"a", R"({ "x": [1, 2] })"}, {"bc", R"("}]\"")"}, {"n", "-1.50e1"}, {"z", "null"}};
  EXPECT_EQ(members, want);
}

TEST(JsonView, ReadsScalars) {
  EXPECT_EQ(JsonView("42").integer(), 42);
  EXPECT_EQ(JsonView("4.2").integer(), std::nullopt);
  EXPECT_EQ(JsonView("\"42\"").integer(), std::nullopt);
  EXPECT_EQ(JsonView("4.5").number(), 4.5);
  EXPECT_EQ(JsonView("true").boolean(), true);
  EXPECT_EQ(JsonView("1").boolean(), std::nullopt);
  EXPECT_EQ(JsonView(R"("a\n\u00e4\ud83d\ude00\/")").string(), "a\nä😀/");
}

TEST(JsonView, MeasuresDepthOutsideStrings) {
  EXPECT_EQ(JsonView("1").depth(), 0u);
  EXPECT_EQ(JsonView(R"({"a":[[]],"b":"[[[["})").depth(), 3u);
}

TEST(JsonView, CompactsOutsideStrings) {
  std::string out;
  JsonView("{ \"a b\" : [ 1 , \" \\\" \" ] }").append_compact(out);
  EXPECT_EQ(out, R"({"a b":[1," \" "]})");
}

RC_GTEST_PROP(JsonView, ReadsBackEveryStringTheWriterWrites, (const std::vector<unsigned>& codes)) {
  std::string text;
  for (const unsigned code : codes) text.push_back(static_cast<char>(code % 0x80));
  std::string json;
  JsonWriter(json).begin_array().value(std::string_view{text}).end_array();

  RC_ASSERT(is_accepted(json));
  JsonView(json).for_each_element([&](JsonView element) {
    RC_ASSERT(element.string() == text);
    return true;
  });
}

}  // namespace
}  // namespace sluice::broker
