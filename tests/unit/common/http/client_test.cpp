#include "common/http/client.h"

#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include "tests/support/loopback_server.h"

namespace sluice::http {
namespace {

using namespace std::chrono_literals;
using testing::LoopbackPeer;
using testing::LoopbackServer;
using testing::ReceivedRequest;

constexpr Duration kLong = 30s;  // for what must not end by itself

Url url_of(const LoopbackServer& server) {
  return *parse_url(server.url());
}

// Answers every request with its number on the connection.
void count_requests(LoopbackPeer& peer, int) {
  ReceivedRequest request;
  for (int number = 1; peer.read_request(request); ++number) {
    peer.reply(200, std::to_string(number));
  }
}

TEST(HttpClient, SendsMethodTargetHeadersAndBody) {
  ReceivedRequest got;
  LoopbackServer server([&](LoopbackPeer& peer, int) {
    peer.read_request(got);
    peer.write(
        "HTTP/1.1 202 Accepted\r\nLocation: /x\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n"
        "\r\nok");
  });
  Client client(*parse_url(server.url() + "/base/"));

  const auto response = client.send(
      {.method = "PUT", .target = "/q?a=b", .body = "{}", .headers = {{"Sluice-Protocol", "1"}}});

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 202);
  EXPECT_EQ(response->body, "ok");
  EXPECT_EQ(response->headers.at("location"), "/x");
  EXPECT_EQ(response->headers.at("x-a"), "1, 2");
  EXPECT_EQ(got.method, "PUT");
  EXPECT_EQ(got.target, "/base/q?a=b");
  EXPECT_EQ(got.body, "{}");
  EXPECT_EQ(got.headers.at("content-type"), "application/json");
  EXPECT_EQ(got.headers.at("sluice-protocol"), "1");
  EXPECT_EQ(got.headers.at("host"), "127.0.0.1:" + std::to_string(server.port()));
}

TEST(HttpClient, ReusesAConnectionThatWasKeptAlive) {
  LoopbackServer server(count_requests);
  Client client(url_of(server));

  EXPECT_EQ(client.send({.target = "/"})->body, "1");
  EXPECT_EQ(client.send({.target = "/"})->body, "2");

  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, LeavesAConnectionThatTheServerWillClose) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    peer.read_request(request);
    peer.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  Client client(url_of(server));

  EXPECT_TRUE(client.send({.target = "/"}, /*repeatable=*/false));
  EXPECT_TRUE(client.send({.target = "/"}, /*repeatable=*/false));

  EXPECT_EQ(server.connections(), 2);
}

// Closes each connection on the request after its first, as a server does that ends idle ones.
void close_on_second_request(LoopbackPeer& peer, int) {
  ReceivedRequest request;
  if (peer.read_request(request)) peer.reply(200, "first");
  peer.read_request(request);
}

TEST(HttpClient, ResendsOnceWhenAKeptConnectionTurnsOutClosed) {
  LoopbackServer server(close_on_second_request);
  Client client(url_of(server));
  ASSERT_TRUE(client.send({.target = "/"}));

  const auto response = client.send({.method = "POST", .target = "/", .body = "{}"});

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "first");
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpClient, DoesNotResendWhatMustNotBeRepeated) {
  LoopbackServer server(close_on_second_request);
  Client client(url_of(server));
  ASSERT_TRUE(client.send({.target = "/"}));

  const auto response = client.send({.target = "/"}, /*repeatable=*/false);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, DoesNotResendOnceAReplyHasBegun) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    if (peer.read_request(request)) peer.reply(200, "first");
    if (peer.read_request(request)) peer.write("HTTP/1.1 200 OK\r\nContent-Le");
  });
  Client client(url_of(server));
  ASSERT_TRUE(client.send({.target = "/"}));

  const auto response = client.send({.target = "/"});

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, DoesNotResendOnAFreshConnection) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    peer.read_request(request);
  });
  Client client(url_of(server));

  const auto response = client.send({.target = "/"});

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, EndsAtItsDeadline) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    while (peer.read_request(request)) {
    }
  });
  Client client(url_of(server));

  const auto response = client.send({.target = "/", .timeout = 20ms});

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kDeadlineExceeded);
}

TEST(HttpClient, CancelEndsACallInAnotherThreadAndRefusesLaterOnes) {
  std::promise<void> arrived;
  LoopbackServer server([&](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    if (peer.read_request(request)) arrived.set_value();
    peer.wait_until_readable();
  });
  Client client(url_of(server));
  auto call = std::async(std::launch::async,
                         [&] { return client.send({.target = "/", .timeout = kLong}); });
  arrived.get_future().wait();

  client.cancel();

  const auto response = call.get();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(client.send({.target = "/"}));
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, SaysWhyAPeerCannotBeReached) {
  const std::string url = "http://127.0.0.1:" + std::to_string(testing::unused_port());
  Client client(*parse_url(url));

  const auto response = client.send({.target = "/"});

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(response.error().message, "cannot reach " + url + ": connection refused");
}

TEST(HttpClient, ReachesAHostByName) {
  LoopbackServer server(count_requests);
  Client client(*parse_url("http://localhost:" + std::to_string(server.port())));

  const auto response = client.send({.target = "/"});

  EXPECT_TRUE(response) << response.error().message;
}

TEST(HttpClient, SpeaksIpv6) {
  ReceivedRequest got;
  LoopbackServer server(
      [&](LoopbackPeer& peer, int) {
        peer.read_request(got);
        peer.reply(200, "");
      },
      0, "::1");
  if (!server.is_listening()) GTEST_SKIP() << "no IPv6 loopback here";
  Client client(url_of(server));

  const auto response = client.send({.target = "/"});

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(got.headers.at("host"), "[::1]:" + std::to_string(server.port()));
}

TEST(HttpClient, BoundsTheReply) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    peer.read_request(request);
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n");
    peer.wait_until_readable();
  });
  Client client(url_of(server));

  const auto response = client.send({.target = "/"});

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kTooLarge);
}

TEST(HttpClient, HearsARefusalThatCameBeforeTheBodyWasRead) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    peer.wait_until_readable();
    peer.reply(413, "{}");
    ReceivedRequest rest;
    peer.read_request(rest);
  });
  Client client(url_of(server));

  const auto response =
      client.send({.method = "POST", .target = "/", .body = std::string(8 << 20, 'x')});

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 413);
}

TEST(HttpClient, GarbageIsAnErrorNotACrash) {
  const char* const replies[] = {
      "nonsense\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nx",
  };
  for (const char* text : replies) {
    SCOPED_TRACE(text);
    LoopbackServer server([&](LoopbackPeer& peer, int) {
      ReceivedRequest request;
      peer.read_request(request);
      peer.write(text);
    });
    Client client(url_of(server));

    EXPECT_FALSE(client.send({.target = "/"}));
  }
}

TEST(HttpClient, SendsFromManyThreadsAtOnce) {
  LoopbackServer server(count_requests);
  Client client(url_of(server));
  std::atomic<int> succeeded{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < 20; ++call) succeeded += client.send({.target = "/"}) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(succeeded, 160);
  EXPECT_LE(server.connections(), 8);
}

// --- stream_lines ---

constexpr const char* kStreamHeader =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";

struct Streamed {
  Status status;
  std::vector<std::string> lines;
};

// Serves `pieces`, each in a write of its own, then closes; stops reading after `lines_max`.
Streamed stream(const std::vector<std::string>& pieces, std::size_t lines_max = 100) {
  LoopbackServer server([&](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    peer.read_request(request);
    for (const std::string& piece : pieces) {
      if (!peer.write(piece)) return;
      std::this_thread::yield();
    }
  });
  Client client(url_of(server));
  std::vector<std::string> lines;
  Status status = client.stream_lines({.target = "/v1/signals"}, kLong, [&](std::string_view line) {
    lines.emplace_back(line);
    return lines.size() < lines_max;
  });
  return {std::move(status), std::move(lines)};
}

TEST(HttpStream, PutsLinesTogetherAcrossChunks) {
  const Streamed got = stream({kStreamHeader, "4\r\n{\"a\"\r\n", "3\r\n:1}\r\n1", "\r\n\n\r\n",
                               "8\r\n{}\n{}\n{}\r\n1\r", "\n\n\r\n"},
                              4);

  ASSERT_TRUE(got.status) << got.status.error().message;
  EXPECT_EQ(got.lines, (std::vector<std::string>{"{\"a\":1}", "{}", "{}", "{}"}));
}

TEST(HttpStream, ReadsAStreamThatComesByteByByte) {
  std::vector<std::string> pieces;
  for (const char c : std::string(kStreamHeader) + "a\r\n{\"a\":1}\n{}\r\n1\r\n\n\r\n") {
    pieces.emplace_back(1, c);
  }

  const Streamed got = stream(pieces, 2);

  ASSERT_TRUE(got.status) << got.status.error().message;
  EXPECT_EQ(got.lines, (std::vector<std::string>{"{\"a\":1}", "{}"}));
}

TEST(HttpStream, AHalfLineAtTheEndIsDropped) {
  struct Case {
    const char* name;
    const char* end;
  };
  const Case cases[] = {{"cut off", ""}, {"ended in order", "0\r\n\r\n"}};

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Streamed got = stream({kStreamHeader, "7\r\n{}\n{\"a\"\r\n", c.end});

    ASSERT_FALSE(got.status);
    EXPECT_EQ(got.status.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(got.lines, std::vector<std::string>{"{}"});
  }
}

TEST(HttpStream, EndsWhenNothingComesForTheIdleTime) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    peer.read_request(request);
    peer.write(std::string(kStreamHeader) + "3\r\n{}\n\r\n");
    peer.wait_until_readable();
  });
  Client client(url_of(server));
  int lines = 0;

  const Status status = client.stream_lines({.target = "/"}, 20ms, [&](std::string_view) {
    ++lines;
    return true;
  });

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(lines, 1);
}

TEST(HttpStream, CancelEndsItFromAnotherThread) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    peer.read_request(request);
    peer.write(std::string(kStreamHeader) + "3\r\n{}\n\r\n");
    peer.wait_until_readable();
  });
  Client client(url_of(server));
  std::promise<void> first_line;
  auto call = std::async(std::launch::async, [&] {
    return client.stream_lines({.target = "/"}, kLong, [&](std::string_view) {
      first_line.set_value();
      return true;
    });
  });
  first_line.get_future().wait();

  client.cancel();

  const Status status = call.get();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
}

TEST(HttpStream, ARefusalIsTheErrorOfItsProblem) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    peer.read_request(request);
    peer.reply(404, R"({"type":"https://sluice.dev/errors#not-found","detail":"no such queue"})");
  });
  Client client(url_of(server));

  const Status status =
      client.stream_lines({.target = "/"}, kLong, [](std::string_view) { return true; });

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(status.error().message, "no such queue");
}

TEST(HttpStream, ALineWithoutEndIsRefused) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    peer.read_request(request);
    peer.write(kStreamHeader);
    const std::string chunk = "100000\r\n" + std::string(0x100000, 'x') + "\r\n";
    while (peer.write(chunk)) {
    }
  });
  Client client(url_of(server));

  const Status status =
      client.stream_lines({.target = "/"}, kLong, [](std::string_view) { return true; });

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace sluice::http
