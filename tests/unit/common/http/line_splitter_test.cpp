#include "common/http/line_splitter.h"

namespace sluice::http {
namespace {

TEST(LineSplitter, LinesComeOutWholeWhereverTheStreamIsCut) {
  const std::string stream = "{\"a\":1}\n\n{\"b\":2}\r\nhalf";
  const std::vector<std::string> want = {"{\"a\":1}", "", "{\"b\":2}"};

  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    SCOPED_TRACE(cut);
    LineSplitter lines(64);
    std::vector<std::string> got;
    const auto keep = [&](std::string_view line) {
      got.emplace_back(line);
      return true;
    };

    EXPECT_EQ(lines.feed(stream.substr(0, cut), keep), LineSplitter::Fed::kMore);
    EXPECT_EQ(lines.feed(stream.substr(cut), keep), LineSplitter::Fed::kMore);

    EXPECT_EQ(got, want);
  }
}

TEST(LineSplitter, StopsAtTheLineThatEndsIt) {
  LineSplitter lines(64);
  int seen = 0;

  const auto fed = lines.feed("1\n2\n3\n", [&](std::string_view) { return ++seen < 2; });

  EXPECT_EQ(fed, LineSplitter::Fed::kStopped);
  EXPECT_EQ(seen, 2);
}

TEST(LineSplitter, BoundsALineInOnePieceAndInMany) {
  const auto ignore = [](std::string_view) { return true; };

  EXPECT_EQ(LineSplitter(4).feed("12345\n", ignore), LineSplitter::Fed::kLineTooLong);
  LineSplitter lines(4);
  EXPECT_EQ(lines.feed("1234", ignore), LineSplitter::Fed::kMore);
  EXPECT_EQ(lines.feed("5", ignore), LineSplitter::Fed::kLineTooLong);
}

}  // namespace
}  // namespace sluice::http
