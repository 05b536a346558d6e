#include "worker/text.h"

namespace sluice::worker {
namespace {

TEST(ValidUtf8, ReplacesEachByteThatIsNotUtf8) {
  struct Case {
    const char* name;
    std::string text;
    std::string want;
  };
  const std::string bad = "\xEF\xBF\xBD";
  const Case cases[] = {
      {"plain", "abc", "abc"},
      {"all lengths", "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
       "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
      {"lone continuation", "a\x80z", "a" + bad + "z"},
      {"cut off", "a\xE2\x82", "a" + bad + bad},
      {"overlong", "\xC0\xAF", bad + bad},
      {"surrogate", "\xED\xA0\x80", bad + bad + bad},
      {"beyond Unicode", "\xF4\x90\x80\x80", bad + bad + bad + bad},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(valid_utf8(c.text), c.want);
  }
}

TEST(TailBuffer, KeepsTheLastLines) {
  TailBuffer tail;
  for (int i = 1; i <= 50; ++i) tail.feed("line " + std::to_string(i) + "\n");

  const std::string text = tail.text();

  EXPECT_TRUE(text.starts_with("line 31\n"));
  EXPECT_TRUE(text.ends_with("line 50"));
}

TEST(TailBuffer, BoundsBytesAndBeginsAtALine) {
  TailBuffer tail;
  tail.feed(std::string(10'000, 'x') + "\nlast");
  EXPECT_EQ(tail.text(), "last");

  tail.feed(std::string(10'000, 'y'));
  EXPECT_EQ(tail.text(), std::string(TailBuffer::kBytesMax, 'y'));
}

TEST(TailBuffer, IsEmptyForBlanks) {
  TailBuffer tail;
  tail.feed(" \n\n");
  EXPECT_EQ(tail.text(), "");
}

}  // namespace
}  // namespace sluice::worker
