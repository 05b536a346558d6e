// The faulty network that the integration tests put between us and the API server does what it
// says.
#include "tests/support/kube_proxy.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/operator/kube/rest_client_fixture.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using testing::Fault;
using testing::KubeProxy;
using testing::ProxyMatch;
using testing::TlsPeer;
using testing::TlsServer;

// An API server with TLS that knows one token, streams four lines to watches and counts writes.
class ProxiedServer {
 public:
  ProxiedServer()
      : server_(identity_of(authority_.issue({.ip_addresses = {"127.0.0.1"}})),
                [this](TlsPeer& peer) { serve(peer); }),
        proxy_({.host = "127.0.0.1",
                .port = server_.port(),
                .tls = testing::TlsIdentity{.ca_pem = authority_.certificate_pem()},
                .token = "admin"}),
        client_(client_of({.server = proxy_.url(), .token = "ignored"})) {}

  KubeProxy& proxy() { return proxy_; }
  ApiClient& client() { return *client_; }
  std::vector<std::string> served() const { return served_.all(); }

  // 0 when there was no answer.
  int status_of(const ApiRequest& request) {
    const auto answer = client_->send(request);
    return answer ? answer->status : 0;
  }
  Status watch(std::vector<std::string>& lines, Duration idle = 10s) {
    return client_->stream_lines({.path = "/pods?watch=1"}, idle, [&](std::string_view line) {
      lines.emplace_back(line);
      return true;
    });
  }

 private:
  void serve(TlsPeer& peer) {
    while (const auto request = peer.read_request()) {
      served_.add(request->method + " " + request->target + " " + request->body);
      if (request->headers.at("authorization") != "Bearer admin") {
        peer.reply(401, "{}");
      } else if (request->target.find("watch=") == std::string::npos) {
        peer.reply(200, request->body.empty() ? "{}" : request->body);
      } else {
        peer.start_chunks();
        for (const char* piece : {"on", "e\ntwo\nth", "ree\n", "four\n"}) peer.chunk(piece);
        peer.end_chunks();
      }
    }
  }

  testing::TestAuthority authority_;
  Seen served_;
  TlsServer server_;
  KubeProxy proxy_;
  std::unique_ptr<ApiClient> client_;
};

const ApiRequest kRead{.path = "/pods"};
const ApiRequest kWrite{.method = "POST", .path = "/pods", .body = "{}"};

TEST(KubeProxy, PassesWhatNoRuleTakes) {
  ProxiedServer f;
  std::vector<std::string> lines;

  EXPECT_EQ(f.status_of(kRead), 200);
  EXPECT_EQ(f.status_of(kWrite), 200);
  EXPECT_TRUE(f.watch(lines));

  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "three", "four"}));
  EXPECT_EQ(f.served(),
            (std::vector<std::string>{"GET /pods ", "POST /pods {}", "GET /pods?watch=1 "}));
  EXPECT_EQ(f.proxy().requests().at(1).status, 200);
}

TEST(KubeProxy, TakesTheNthRequestThatMatchesSoManyTimes) {
  ProxiedServer f;
  f.proxy().on({.method = "POST", .path_contains = "pods", .times = 2, .skip = 1},
               Fault::refuse(409, "Conflict"));

  const int first = f.status_of(kWrite);
  const int read = f.status_of(kRead);
  const int second = f.status_of(kWrite);
  const int third = f.status_of(kWrite);
  const int fourth = f.status_of(kWrite);

  EXPECT_EQ((std::vector{first, read, second, third, fourth}),
            (std::vector{200, 200, 409, 409, 200}));
  EXPECT_EQ(f.proxy().count({.method = "POST"}), 4);
}

TEST(KubeProxy, CutsBeforeOrAfterTheServerHasDoneIt) {
  ProxiedServer f;
  f.proxy().on({.method = "POST"}, Fault::cut());
  f.proxy().on({.method = "POST"}, Fault::cut_answer());

  EXPECT_EQ(f.status_of(kWrite), 0);
  EXPECT_EQ(f.served().size(), 0U);
  EXPECT_EQ(f.status_of(kWrite), 0);
  EXPECT_EQ(f.served().size(), 1U);
  EXPECT_EQ(f.status_of(kWrite), 200);
}

TEST(KubeProxy, AnswersInsteadOfTheServer) {
  ProxiedServer f;
  f.proxy().on({}, Fault::too_many_requests(3));

  const auto answer = f.client().send(kRead);

  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(answer->retry_after, 3s);
  EXPECT_EQ(f.served().size(), 0U);
}

TEST(KubeProxy, StallsUntilTheClientGivesUp) {
  ProxiedServer f;
  f.proxy().on({}, Fault::stall());

  const auto answer = f.client().send({.path = "/pods", .timeout = 200ms});

  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(f.status_of(kRead), 200);
}

TEST(KubeProxy, HoldsARequestWhileOthersOvertakeIt) {
  ProxiedServer f;
  f.proxy().on({.path_contains = "/slow"}, Fault::hold());
  std::thread slow([&] { EXPECT_EQ(f.status_of({.path = "/slow"}), 200); });
  ASSERT_TRUE(f.proxy().wait_for({.path_contains = "/slow"}, 1));

  EXPECT_EQ(f.status_of(kRead), 200);
  while (f.proxy().held() == 0) std::this_thread::yield();
  f.proxy().release();
  slow.join();

  EXPECT_EQ(f.served(), (std::vector<std::string>{"GET /pods ", "GET /slow "}));
}

TEST(KubeProxy, CutsAWatchAfterItsLines) {
  ProxiedServer f;
  f.proxy().on({.path_contains = "watch="}, Fault::cut_after_lines(2));
  std::vector<std::string> lines;

  const Status status = f.watch(lines);

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
}

TEST(KubeProxy, SilencesAWatchAfterItsLines) {
  ProxiedServer f;
  f.proxy().on({.path_contains = "watch="}, Fault::stall_after_lines(3));
  std::vector<std::string> lines;

  const Status status = f.watch(lines, 200ms);

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "three"}));
}

TEST(KubeProxy, PutsALineIntoAWatch) {
  ProxiedServer f;
  f.proxy().on({.path_contains = "watch="}, Fault::watch_expired(1));
  std::vector<std::string> lines;

  EXPECT_TRUE(f.watch(lines));

  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], "one");
  EXPECT_TRUE(lines[1].starts_with(R"({"type":"ERROR")")) << lines[1];
}

TEST(KubeProxy, GoesDownAndComesBack) {
  ProxiedServer f;
  f.proxy().on({.method = "POST"}, Fault::go_down());

  EXPECT_EQ(f.status_of(kWrite), 0);
  EXPECT_TRUE(f.proxy().is_down());
  EXPECT_EQ(f.status_of(kWrite), 0);
  EXPECT_EQ(f.served().size(), 1U);

  f.proxy().come_back();
  EXPECT_EQ(f.status_of(kWrite), 200);
}

}  // namespace
}  // namespace sluice::kube
