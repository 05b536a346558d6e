#include "worker/progress_line.h"

namespace sluice::worker {
namespace {

TEST(ProgressLine, IsANumberAndPerhapsAMessage) {
  struct Case {
    const char* line;
    double ratio;
    const char* message;
  };
  const Case cases[] = {
      {"0.4 half way", 0.4, "half way"},
      {"1", 1, ""},
      {" 0 \r", 0, ""},
      {"7 over", 1, "over"},
      {"-2 under", 0, "under"},
      {"0.5\ttab", 0.5, "tab"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.line);
    const auto progress = parse_progress_line(c.line);
    ASSERT_TRUE(progress);
    EXPECT_EQ(progress->ratio, c.ratio);
    EXPECT_EQ(progress->message, c.message);
  }
}

TEST(ProgressLine, AnythingElseIsAMessage) {
  for (const char* line : {"half way", "nan", "inf x", "0.4x", "%40"}) {
    SCOPED_TRACE(line);
    const auto progress = parse_progress_line(line);
    ASSERT_TRUE(progress);
    EXPECT_FALSE(progress->ratio);
    EXPECT_EQ(progress->message, line);
  }
  EXPECT_FALSE(parse_progress_line(" \r"));
}

TEST(ProgressStream, AMessageAloneKeepsTheRatio) {
  ProgressStream stream;
  stream.feed("looking\n");
  EXPECT_EQ(stream.take()->ratio, 0);

  stream.feed("0.4\n");
  stream.feed("half way\n");

  const auto progress = stream.take();
  EXPECT_EQ(progress->ratio, 0.4);
  EXPECT_EQ(progress->message, "half way");
}

TEST(ProgressStream, YieldsTheNewestWholeLineOnce) {
  ProgressStream stream;
  stream.feed("0.1 a\n0.");
  stream.feed("2 b\n\n0.3 unfinished");

  const auto progress = stream.take();

  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->ratio, 0.2);
  EXPECT_FALSE(stream.take());
}

TEST(ProgressStream, SkipsALineThatIsTooLong) {
  ProgressStream stream;
  stream.feed("0.1 " + std::string(kProgressLineBytesMax, 'x'));
  stream.feed(std::string(100'000, 'x') + "\n");

  EXPECT_FALSE(stream.take());
  stream.feed("0.9\n");
  EXPECT_EQ(stream.take()->ratio, 0.9);
}

}  // namespace
}  // namespace sluice::worker
