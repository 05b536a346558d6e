#include "broker/server/idempotency.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

TEST(IdempotencyHeader, TakesAStringOrAToken) {
  struct Case {
    const char* name;
    std::string header;
    std::optional<std::string> want;
  };
  const Case cases[] = {
      {"string", R"("order 17")", "order 17"},
      {"escapes", R"("a\"b\\c")", R"(a"b\c)"},
      {"token", "8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"},
      {"empty", "", {}},
      {"empty string", R"("")", {}},
      {"unclosed", R"("abc)", {}},
      {"something after it", R"("a";q=1)", {}},
      {"another escape", R"("a\n")", {}},
      {"backslash at the end", R"("a\)", {}},
      {"white space in a token", "a b", {}},
      {"not ASCII", "\"\xC3\xA4\"", {}},
      {"longest", std::string(255, 'k'), std::string(255, 'k')},
      {"too long", std::string(256, 'k'), {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto key = parse_idempotency_header(c.header);
    EXPECT_EQ(key ? std::optional{*key} : std::nullopt, c.want);
    EXPECT_TRUE(key || key.error().field == "Idempotency-Key");
  }
}

TEST(ContentHash, IgnoresOrderWhiteSpaceAndTheKeyButNotThePayloadsBytes) {
  const auto hash = [](const char* text) { return content_hash(JsonView{text}); };
  const auto base = hash(R"({"payload":{"a":1},"priority":3,"labels":{"x":"y"}})");

  EXPECT_EQ(base, hash(R"({"labels": {"x" : "y"}, "priority":3, "payload":{"a":1}})"));
  EXPECT_EQ(base,
            hash(R"({"idempotencyKey":"k","payload":{"a":1},"priority":3,"labels":{"x":"y"}})"));
  EXPECT_NE(base, hash(R"({"payload":{"a": 1},"priority":3,"labels":{"x":"y"}})"));
  EXPECT_NE(base, hash(R"({"payload":{"a":1},"priority":4,"labels":{"x":"y"}})"));
  EXPECT_NE(base, hash(R"({"payload":{"a":1},"priority":3})"));
}

TEST(Traceparent, HasTheW3cForm) {
  struct Case {
    const char* text;
    bool want;
  };
  const Case cases[] = {
      {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true},
      {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false},
      {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
      {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false},
      {"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
      {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false},
      {"", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(is_traceparent(c.text), c.want);
  }
}

}  // namespace
}  // namespace sluice::broker
