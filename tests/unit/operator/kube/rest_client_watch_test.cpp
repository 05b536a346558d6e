#include <gtest/gtest.h>

#include <latch>

#include "tests/unit/operator/kube/rest_client_fixture.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using testing::TlsPeer;
using testing::TlsServer;

using Lines = std::vector<std::string>;

struct Watched {
  Status status = Ok{};
  Lines lines = {};
};

// Watches until the server ends it, or `lines_max` lines have come.
Watched watch(const TlsServer& server, std::size_t lines_max = 1'000'000, Duration idle = 30s) {
  const auto client = client_of({.server = server.url()});
  Watched watched;
  watched.status = client->stream_lines({.path = "/watch"}, idle, [&](std::string_view line) {
    watched.lines.emplace_back(line);
    return watched.lines.size() < lines_max;
  });
  return watched;
}

// A server that streams `chunks` and then does `end`.
TlsServer::Serve streaming(Lines chunks, std::function<void(TlsPeer&)> end) {
  return [chunks = std::move(chunks), end = std::move(end)](TlsPeer& peer) {
    peer.read_request();
    peer.start_chunks();
    for (const std::string& chunk : chunks) peer.chunk(chunk);
    end(peer);
  };
}

void end_well(TlsPeer& peer) {
  peer.end_chunks();
  peer.wait_until_closed();
}

TEST(RestClientWatch, LinesCrossChunks) {
  const TlsServer server(std::nullopt, streaming({"o", "ne\ntwo\nth", "r", "ee\n"}, end_well));

  const Watched watched = watch(server);

  EXPECT_TRUE(watched.status) << watched.status.error().message;
  EXPECT_EQ(watched.lines, (Lines{"one", "two", "three"}));
}

TEST(RestClientWatch, LinesComeWhileTheAnswerGoesOn) {
  std::latch first_came{1};
  const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
    peer.read_request();
    peer.start_chunks();
    peer.chunk("one\n");
    first_came.wait();
    peer.chunk("two\n");
    end_well(peer);
  });
  const auto client = client_of({.server = server.url()});
  Lines lines;

  const Status status = client->stream_lines({.path = "/watch"}, 30s, [&](std::string_view line) {
    if (lines.empty()) first_came.count_down();
    lines.emplace_back(line);
    return true;
  });

  EXPECT_TRUE(status);
  EXPECT_EQ(lines, (Lines{"one", "two"}));
}

TEST(RestClientWatch, AHalfLineAtTheEndIsDropped) {
  const TlsServer server(std::nullopt, streaming({"one\ntw"}, end_well));

  const Watched watched = watch(server);

  EXPECT_TRUE(watched.status);
  EXPECT_EQ(watched.lines, Lines{"one"});
}

TEST(RestClientWatch, StopsWhenTold) {
  const TlsServer server(std::nullopt, streaming({"one\ntwo\n", "three\n"},
                                                 [](TlsPeer& peer) { peer.wait_until_closed(); }));

  const Watched watched = watch(server, 2);

  EXPECT_TRUE(watched.status);
  EXPECT_EQ(watched.lines, (Lines{"one", "two"}));
}

// SURVIVAL 1.
TEST(RestClientWatch, AConnectionThatIsCutIsUnavailableAndItsLinesCount) {
  struct Case {
    const char* name;
    std::function<void(TlsPeer&)> end;
  };
  const Case cases[] = {{"closed", [](TlsPeer&) {}},
                        {"half a chunk", [](TlsPeer& peer) { peer.write("ff\r\nthr"); }}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const TlsServer server(std::nullopt, streaming({"one\n", "two\n"}, c.end));

    const Watched watched = watch(server);

    ASSERT_FALSE(watched.status);
    EXPECT_EQ(watched.status.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(watched.lines, (Lines{"one", "two"}));
  }
}

TEST(RestClientWatch, AResetIsUnavailable) {
  const TlsServer server(std::nullopt, streaming({"one\n"}, [](TlsPeer& peer) { peer.reset(); }));

  const Watched watched = watch(server);

  ASSERT_FALSE(watched.status);
  EXPECT_EQ(watched.status.error().code, ErrorCode::kUnavailable);
}

TEST(RestClientWatch, SilenceEndsIt) {
  const TlsServer server(std::nullopt,
                         streaming({"one\n"}, [](TlsPeer& peer) { peer.wait_until_closed(); }));

  const Watched watched = watch(server, 10, 200ms);

  ASSERT_FALSE(watched.status);
  EXPECT_EQ(watched.status.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(watched.lines, Lines{"one"});
}

TEST(RestClientWatch, ReadsMuchFasterThanItsReader) {
  std::string batch;
  for (int i = 0; i < 1000; ++i) batch += std::string(100, 'x') + "\n";
  const TlsServer server(std::nullopt, streaming(Lines(100, batch), end_well));

  const Watched watched = watch(server);

  EXPECT_TRUE(watched.status);
  EXPECT_EQ(watched.lines.size(), 100'000U);
}

TEST(RestClientWatch, TakesALongLineButNotAnEndlessOne) {
  const std::string piece(1024 * 1024, 'x');
  const TlsServer ten(std::nullopt, streaming(Lines(10, piece), [](TlsPeer& peer) {
                        peer.chunk("\n");
                        end_well(peer);
                      }));
  const TlsServer endless(std::nullopt, streaming({}, [&](TlsPeer& peer) {
                            while (peer.chunk(piece)) {
                            }
                          }));

  const Watched long_line = watch(ten);
  const Watched no_line = watch(endless);

  EXPECT_TRUE(long_line.status);
  ASSERT_EQ(long_line.lines.size(), 1U);
  EXPECT_EQ(long_line.lines[0].size(), 10U * 1024 * 1024);
  ASSERT_FALSE(no_line.status);
  EXPECT_EQ(no_line.status.error().code, ErrorCode::kTooLarge);
}

TEST(RestClientWatch, ARefusalIsTheServersError) {
  const TlsServer server(std::nullopt, [](TlsPeer& peer) {
    peer.read_request();
    peer.reply(403, R"({"kind":"Status","code":403,"reason":"Forbidden","message":"no watching"})");
    peer.wait_until_closed();
  });

  const Watched watched = watch(server);

  ASSERT_FALSE(watched.status);
  EXPECT_EQ(watched.status.error().code, ErrorCode::kPermissionDenied);
  EXPECT_NE(watched.status.error().message.find("no watching"), std::string::npos);
  EXPECT_EQ(watched.lines, Lines{});
}

TEST(RestClientWatch, WorksOverTls) {
  const testing::TestAuthority authority;
  const TlsServer server(identity_of(authority.issue({.ip_addresses = {"127.0.0.1"}})),
                         streaming({"one\n", "two\n"}, end_well));
  const auto client =
      client_of({.server = server.url(), .ca = {.text = authority.certificate_pem()}});
  Lines lines;

  const Status status = client->stream_lines({.path = "/watch"}, 30s, [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });

  EXPECT_TRUE(status) << status.error().message;
  EXPECT_EQ(lines, (Lines{"one", "two"}));
}

}  // namespace
}  // namespace sluice::kube
