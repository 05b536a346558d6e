#include "operator/kube/rest_client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <thread>

#include "tests/support/loopback_server.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/operator/kube/rest_client_fixture.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using testing::ReceivedRequest;
using testing::TlsPeer;
using testing::TlsServer;

// ---- one request, one answer

TEST(RestClient, SendsWhatItIsGiven) {
  std::promise<ReceivedRequest> received;
  const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
    if (auto request = peer.read_request()) received.set_value(*std::move(request));
    peer.reply(201, "made");
    peer.wait_until_closed();
  });
  const auto client = client_of({.server = server.url() + "/base/", .token = "secret"});

  const auto answer = client->send(
      {.method = "PATCH",
       .path = "/api/v1/pods?labelSelector=a%3Db%2Cc%20in%20%28d%29&fieldManager=sluice",
       .body = R"({"a":1})",
       .content_type = "application/apply-patch+yaml"});

  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->body, "made");
  EXPECT_EQ(answer->retry_after, std::nullopt);
  ReceivedRequest seen = received.get_future().get();
  EXPECT_EQ(seen.method, "PATCH");
  EXPECT_EQ(seen.target,
            "/base/api/v1/pods?labelSelector=a%3Db%2Cc%20in%20%28d%29&fieldManager=sluice");
  EXPECT_EQ(seen.body, R"({"a":1})");
  EXPECT_EQ(seen.headers["content-type"], "application/apply-patch+yaml");
  EXPECT_EQ(seen.headers["content-length"], "7");
  EXPECT_EQ(seen.headers["authorization"], "Bearer secret");
  EXPECT_EQ(seen.headers["user-agent"], "sluice-test");
  EXPECT_EQ(seen.headers["accept"], "application/json");
}

TEST(RestClient, ReadsLargeAnswersAndSendsLargeBodies) {
  const std::string large(5 * 1024 * 1024, 'x');
  const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
    const auto request = peer.read_request();
    peer.start_chunks();
    peer.chunk(request ? request->body : "");
    peer.chunk("tail");
    peer.end_chunks();
    peer.wait_until_closed();
  });
  const auto client = client_of({.server = server.url()});

  const auto answer = client->send({.method = "POST", .path = "/", .body = large});

  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body.size(), large.size() + 4);
}

// SURVIVAL 5.
TEST(RestClient, ReadsRetryAfterInSeconds) {
  struct Case {
    const char* header;
    std::optional<std::chrono::seconds> want;
  };
  const Case cases[] = {{"7", 7s},
                        {"0", 0s},
                        {"-1", std::nullopt},
                        {"", std::nullopt},
                        {"999999999", 3600s},
                        {"1.5", std::nullopt},
                        {"Wed, 21 Oct 2015 07:28:00 GMT", std::nullopt}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.header);
    const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
      peer.read_request();
      peer.reply(429, "slow down", {{"Retry-After", c.header}});
    });
    const auto client = client_of({.server = server.url()});

    const auto answer = client->send({.path = "/"});

    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 429);
    EXPECT_EQ(answer->retry_after, c.want);
  }
}

TEST(RestClient, FollowsNoRedirect) {
  std::atomic<int> requests{0};
  const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
    while (peer.read_request()) {
      ++requests;
      peer.reply(302, "", {{"Location", "/elsewhere"}});
    }
  });
  const auto client = client_of({.server = server.url()});

  const auto answer = client->send({.path = "/"});

  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(requests, 1);
}

TEST(RestClient, KeepsItsConnection) {
  const TlsServer server(std::nullopt, answer_all);
  const auto client = client_of({.server = server.url()});

  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client->send({.path = "/"}));

  EXPECT_LE(server.connections(), 2);
}

TEST(RestClient, ServesManyThreads) {
  const TlsServer server(std::nullopt, answer_all);
  const auto client = client_of({.server = server.url()});
  std::atomic<int> answered{0};

  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      for (int j = 0; j < 25; ++j) {
        if (client->send({.path = "/"})) ++answered;
      }
    });
  }
  for (std::thread& one : callers) one.join();

  EXPECT_EQ(answered, 200);
}

// SURVIVAL 15.
TEST(RestClient, ReadsTheTokenAgainAfterA401) {
  const testing::TemporaryFolder folder;
  const auto file = folder.path() / "token";
  std::ofstream(file) << "old";
  Seen tokens;
  const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
    while (const auto request = peer.read_request()) {
      tokens.add(request->headers.at("authorization"));
      const bool is_new = request->headers.at("authorization") == "Bearer new";
      peer.reply(is_new ? 200 : 401, "{}");
    }
  });
  const auto client = client_of({.server = server.url(), .token_file = file});

  const auto refused = client->send({.path = "/"});
  std::ofstream(file) << "new";
  const auto accepted = client->send({.path = "/"});

  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 401);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->status, 200);
  EXPECT_EQ(tokens.all(), (std::vector<std::string>{"Bearer old", "Bearer new"}));
}

TEST(RestClient, ReachesAnIpv6Address) {
  testing::LoopbackServer server(
      [](testing::LoopbackPeer& peer, int) {
        ReceivedRequest request;
        while (peer.read_request(request)) peer.reply(200, "{}");
      },
      0, "::1");
  if (!server.is_listening()) GTEST_SKIP() << "no IPv6 here";
  const auto client = client_of({.server = server.url()});

  const auto answer = client->send({.path = "/"});

  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
}

TEST(RestClient, NobodyListeningIsUnavailable) {
  const auto client =
      client_of({.server = "http://127.0.0.1:" + std::to_string(testing::unused_port())});

  const auto answer = client->send({.path = "/"});

  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
}

TEST(RestClient, AnUnknownHostIsUnavailable) {
  const auto client = client_of({.server = "http://no-such-host.invalid"});

  const auto answer = client->send({.path = "/"});

  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
}

// SURVIVAL 5: a slow API server, also one that is never silent for long.
TEST(RestClient, TheTimeoutIsForTheWholeExchange) {
  struct Case {
    const char* name;
    std::string before;
  };
  const Case cases[] = {
      {"silence", ""},
      {"a dripping head", "HTTP/1.1 200 OK\r\nX: "},
      {"a dripping body", "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    testing::LoopbackServer server([&](testing::LoopbackPeer& peer, int) {
      ReceivedRequest request;
      peer.read_request(request);
      peer.write(c.before);
      while (!c.before.empty() && peer.write("x")) std::this_thread::yield();
      peer.wait_until_readable();
    });
    const auto client = client_of({.server = server.url()});

    const auto answer = client->send({.path = "/", .timeout = 200ms});

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kDeadlineExceeded) << answer.error().message;
  }
}

TEST(RestClient, ABrokenAnswerIsUnavailable) {
  struct Case {
    const char* name;
    std::string bytes;
  };
  const Case cases[] = {
      {"nothing", ""},
      {"half a head", "HTTP/1.1 200 OK\r\nContent-"},
      {"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"},
      {"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc"},
      {"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
      {"not HTTP", "220 mail ready\r\n\r\n"},
      {"no chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
      peer.read_request();
      peer.write(c.bytes);
    });
    const auto client = client_of({.server = server.url()});

    const auto answer = client->send({.path = "/"});

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable) << answer.error().message;
  }
}

TEST(RestClient, DoesNotRepeatAWriteOfItsOwnAccord) {
  std::atomic<int> writes{0};
  const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
    // The second request of a connection is read and never answered.
    peer.read_request();
    peer.reply(200, "{}");
    if (const auto request = peer.read_request(); request && request->method == "POST") ++writes;
  });
  const auto client = client_of({.server = server.url()});
  ASSERT_TRUE(client->send({.path = "/"}));

  const auto answer = client->send({.method = "POST", .path = "/", .body = "{}"});

  EXPECT_FALSE(answer);
  EXPECT_LE(writes, 1);
}

TEST(RestClient, OpensNewConnectionsAfterABrokenOne) {
  std::atomic<int> connections{0};
  const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
    const bool is_first = connections++ == 0;
    if (!is_first) return answer_all(peer);
    peer.read_request();
  });
  const auto client = client_of({.server = server.url()});

  EXPECT_FALSE(client->send({.path = "/"}));
  EXPECT_TRUE(client->send({.path = "/"}));
}

TEST(RestClient, RefusesAnEndlessBody) {
  const TlsServer server(std::nullopt, [](TlsPeer& peer) {
    peer.read_request();
    peer.start_chunks();
    const std::string piece(1024 * 1024, 'x');
    while (peer.chunk(piece)) {
    }
  });
  const auto client = client_of({.server = server.url()});

  const auto answer = client->send({.path = "/"});

  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kTooLarge);
}

// ---- the end

TEST(RestClient, CancelEndsCallsUnderWayAndRefusesLaterOnes) {
  std::latch both_asked{2};
  const TlsServer server(std::nullopt, [&](TlsPeer& peer) {
    const auto request = peer.read_request();
    if (request && request->target == "/watch") peer.start_chunks();
    both_asked.count_down();
    peer.wait_until_closed();
  });
  const auto client = client_of({.server = server.url()});
  std::thread canceller([&] {
    both_asked.wait();
    client->cancel();
  });
  std::thread sender([&] {
    const auto answer = client->send({.path = "/", .timeout = 1h});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
  });

  const Status watched = client->stream_lines({.path = "/watch", .timeout = 1h}, 1h,
                                              [](std::string_view) { return true; });
  canceller.join();
  sender.join();
  const auto later = client->send({.path = "/"});

  ASSERT_FALSE(watched);
  EXPECT_EQ(watched.error().code, ErrorCode::kUnavailable);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, ErrorCode::kUnavailable);
}

// ---- metrics

class RecordingObserver final : public RequestObserver {
 public:
  void request_ended(std::string_view method, std::string_view host, int code,
                     Duration /*latency*/) override {
    seen.add(std::string(method) + " " + std::string(host) + " " + std::to_string(code));
  }
  Seen seen;
};

TEST(RestClient, TellsItsObserverOfEveryRequest) {
  RecordingObserver observer;
  const TlsServer server(std::nullopt, [](TlsPeer& peer) {
    peer.read_request();
    peer.reply(404, "{}");
    peer.read_request();
  });
  const std::string host = server.url().substr(7);
  const auto client = client_of({.server = server.url()}, &observer);

  ASSERT_TRUE(client->send({.path = "/"}));
  ASSERT_FALSE(client->send({.method = "POST", .path = "/", .body = "{}"}));

  EXPECT_EQ(observer.seen.all(),
            (std::vector<std::string>{"GET " + host + " 404", "POST " + host + " 0"}));
}

}  // namespace
}  // namespace sluice::kube
