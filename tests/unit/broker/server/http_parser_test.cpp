#include "broker/server/http_parser.h"

#include <gtest/gtest.h>

#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

using Progress = HttpParser::Progress;

// Feeds `text` in pieces of `piece` bytes until something is decided.
Progress parse(HttpParser& parser, std::string_view text, std::size_t piece = 1'000'000,
               std::size_t body_bytes_max = 1'000) {
  std::size_t from = 0;
  std::size_t to = 0;
  while (true) {
    std::size_t consumed = 0;
    const Progress progress = parser.feed(text.substr(from, to - from), consumed);
    from += consumed;
    if (progress == Progress::kHeader) {
      parser.set_body_limit(body_bytes_max);
    } else if (progress != Progress::kNeedMore) {
      return progress;
    } else if (to == text.size()) {
      return progress;
    } else {
      to = std::min(to + piece, text.size());
    }
  }
}

TEST(HttpParser, ReadsARequestHoweverItIsCut) {
  const std::string text =
      "POST /v1/x?y=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Idempotency-Key: \"k\"\r\nSluice-Protocol: 1\r\ntraceparent: t\r\nContent-Length: 5\r\n\r\n"
      "[1,2]";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, text.size()}) {
    SCOPED_TRACE(piece);
    HttpParser parser;

    ASSERT_EQ(parse(parser, text, piece), Progress::kDone);

    const Request& request = parser.request();
    EXPECT_EQ(request.method, Method::kPost);
    EXPECT_EQ(request.path(), "/v1/x");
    EXPECT_EQ(request.host, "localhost");
    EXPECT_EQ(request.idempotency_key, "\"k\"");
    EXPECT_TRUE(request.protocol_1);
    EXPECT_EQ(request.traceparent, "t");
    EXPECT_TRUE(request.has_body);
    EXPECT_EQ(request.body, "[1,2]");
    EXPECT_TRUE(request.keep_alive);
  }
}

TEST(HttpParser, JoinsChunks) {
  HttpParser parser;
  const auto progress = parse(parser,
                              "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "3\r\n[1,\r\n2;x=y\r\n2]\r\n0\r\nTrailer: t\r\n\r\n",
                              1);
  EXPECT_EQ(progress, Progress::kDone);
  EXPECT_EQ(parser.request().body, "[1,2]");
}

// Found by fuzzing: a body that is its last chunk alone, a byte at a time, failed an assertion of
// Beast's.
TEST(HttpParser, TakesAnEmptyChunkedBodyHoweverItIsCut) {
  const std::string header = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view body :
       {"0\r\n\r\n", "00\r\n\r\n", "0;x=y\r\nTrailer: t\r\n\r\n", "1\r\n0\r\n0\r\n\r\n"}) {
    for (std::size_t piece = 1; piece <= 6; ++piece) {
      SCOPED_TRACE(piece);
      HttpParser parser;
      EXPECT_EQ(parse(parser, header + std::string{body}, piece), Progress::kDone) << body;
      EXPECT_EQ(parser.request().body, body.front() == '1' ? "0" : "");
    }
  }
}

TEST(HttpParser, LeavesTheNextRequestUnread) {
  HttpParser parser;
  const std::string first = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string both = first + "GET /b HTTP/1.1\r\nHost: a\r\n\r\n";
  std::size_t consumed = 0;

  ASSERT_EQ(parser.feed(both, consumed), Progress::kHeader);
  EXPECT_EQ(consumed, first.size());
  parser.reset();
  ASSERT_EQ(parser.feed(std::string_view{both}.substr(first.size()), consumed), Progress::kHeader);
  EXPECT_EQ(parser.request().target, "/b");
}

// SURVIVAL 27: wherever two readers could disagree about the end of a request, it is refused.
TEST(HttpParser, RefusesDoubtfulFraming) {
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  struct Case {
    const char* name;
    std::string text;
  };
  const Case cases[] = {
      {"length and chunks", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"chunks and length", post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"},
      {"two lengths", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"},
      {"two equal lengths", post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"},
      {"a list of lengths", post + "Content-Length: 3, 3\r\n\r\nabc"},
      {"negative length", post + "Content-Length: -1\r\n\r\n"},
      {"signed length", post + "Content-Length: +3\r\n\r\nabc"},
      {"hexadecimal length", post + "Content-Length: 0x3\r\n\r\nabc"},
      {"overflowing length", post + "Content-Length: 99999999999999999999\r\n\r\n"},
      {"another coding", post + "Transfer-Encoding: gzip\r\n\r\n"},
      {"a coding before chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
      {"chunked twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"chunked obscured", post + "Transfer-Encoding: xchunked\r\n\r\n"},
      {"space before the colon", post + "Transfer-Encoding : chunked\r\n\r\n"},
      {"chunks over HTTP/1.0",
       "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"negative chunk", post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n"},
      {"chunk without a size", post + "Transfer-Encoding: chunked\r\n\r\n\r\n"},
      {"chunk with 0x", post + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n\r\n"},
      {"chunk longer than it says", post + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"},
      {"no Host", "GET / HTTP/1.1\r\n\r\n"},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"absolute target", "GET http://localhost/ HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
      {"bare line feeds", "GET / HTTP/1.1\nHost: a\n\n"},
      {"a NUL in a field", std::string("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 30)},
      {"not HTTP", "\x16\x03\x01 hello, this is TLS\r\n\r\n"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    HttpParser parser;
    EXPECT_EQ(parse(parser, c.text), Progress::kBroken);
  }
}

TEST(HttpParser, BoundsHeaderAndBody) {
  HttpParser flood;
  const std::string header = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  EXPECT_EQ(parse(flood, header + std::string(limits::kHeaderBytesMax, 'x') + "\r\n\r\n"),
            Progress::kHeaderTooLarge);

  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  HttpParser big_chunk;
  EXPECT_EQ(parse(big_chunk, chunked + "ffffffffffffffff\r\n"), Progress::kTooLarge);
  HttpParser many_chunks;
  std::string chunks = chunked;
  for (int i = 0; i < 300; ++i) chunks += "4\r\nabcd\r\n";
  EXPECT_EQ(parse(many_chunks, chunks), Progress::kTooLarge);
  EXPECT_LE(many_chunks.request().body.size(), 1'000u);
}

}  // namespace
}  // namespace sluice::broker
