// A broker on TLS that asks a review server who may: as in a cluster, but for the cluster.
#include <gmock/gmock.h>
#include <signal.h>

#include <future>

#include "tests/integration/api_client.h"
#include "tests/support/child_process.h"
#include "tests/support/environment.h"
#include "tests/support/eventually.h"
#include "tests/support/review_server.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_certificates.h"
#include "tests/support/written_file.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kListening = "listening on https://";
constexpr const char* kQueue = "/v1/namespaces/shop/queues/mail";

TlsIdentity loopback_identity(const TestAuthority& authority) {
  const auto issued = authority.issue({.dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1"}});
  return {.certificate_pem = issued.certificate_pem, .key_pem = issued.key_pem};
}

class BrokerAuth : public ::testing::Test {
 protected:
  void SetUp() override {
    write_pair(loopback_identity(authority_));
    replace_file(path("ca.crt"), authority_.certificate_pem());
    replace_file(path("reviewer"), ReviewServer::kOwnToken);
    reviews_.add_token("operator-token", "operator", {"sluice"});
    reviews_.grant("operator", "update queues/config");
    reviews_.grant("operator", "create queues/jobs");
    reviews_.grant("operator", "list queues");
    reviews_.add_token("alice-token", "alice", {"sluice"});
    reviews_.grant("alice", "create queues/jobs", "shop");
    reviews_.add_token("worker-token", "system:serviceaccount:shop:default", {"sluice:shop/mail"});

    process_.emplace(ChildProcess::Start{.argv = {program_path("sluice-broker").string(),
                                                  "--listen",
                                                  "127.0.0.1:0",
                                                  "--data",
                                                  path("data"),
                                                  "--disk-reserve-bytes",
                                                  "0",
                                                  "--exit-with-parent",
                                                  "--tls-cert",
                                                  path("tls.crt"),
                                                  "--tls-key",
                                                  path("tls.key"),
                                                  "--auth",
                                                  "kubernetes",
                                                  "--kubernetes-api",
                                                  reviews_.url(),
                                                  "--kubernetes-ca",
                                                  path("ca.crt"),
                                                  "--kubernetes-token-file",
                                                  path("reviewer")}});
    const std::string line = process_->wait_for_line(kListening);
    ASSERT_THAT(line, HasSubstr(kListening)) << process_->report();
    url_ = line.substr(line.find("https://"));
    ASSERT_EQ(call("operator-token", "PUT", kQueue, R"({"spec":{}})").status, 200);
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << process_->report();
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  void write_pair(const TlsIdentity& identity) {
    replace_file(path("tls.crt"), identity.certificate_pem);
    replace_file(path("tls.key"), identity.key_pem);
  }
  http::ClientOptions trusting(const std::string& ca_pem, const std::string& token = {}) const {
    return {.ca_pem = ca_pem, .token = token};
  }

  // On a connection of its own.
  Reply call(const std::string& token, const std::string& method, const std::string& target,
             const std::string& body = {}) {
    http::Client client(*http::parse_url(url_), trusting(authority_.certificate_pem(), token));
    return send(client, method, target, body);
  }
  static Reply send(http::Client& client, const std::string& method, const std::string& target,
                    const std::string& body = {}) {
    auto response = client.send({.method = method, .target = target, .body = body}, false);
    if (!response) return {.text = response.error().message};
    Json value = Json::parse(response->body, nullptr, false);
    return {.status = response->status,
            .text = response->body,
            .body = value.is_discarded() ? Json() : value,
            .headers = response->headers};
  }
  Reply enqueue(const std::string& token, const std::string& body = R"({"payload":1})") {
    return call(token, "POST", std::string(kQueue) + "/jobs", body);
  }
  Reply claim(const std::string& token, const std::string& queue = "mail") {
    return call(token, "POST", "/v1/namespaces/shop/queues/" + queue + "/jobs:claim",
                R"({"worker":"w"})");
  }

  TemporaryFolder folder_;
  TestAuthority authority_;
  ReviewServer reviews_{loopback_identity(authority_)};
  std::optional<ChildProcess> process_;
  std::string url_;
};

TEST_F(BrokerAuth, ProbesAndMetricsNeedNoToken) {
  for (const char* target : {"/healthz", "/readyz", "/metrics", "/openapi.json"}) {
    EXPECT_EQ(call("", "GET", target).status, 200) << target;
  }
}

TEST_F(BrokerAuth, AJobGoesThroughWithARightAndAWorkersToken) {
  Reply enqueued = enqueue("alice-token");
  Reply claimed = claim("worker-token");
  ASSERT_EQ(enqueued.status, 202) << enqueued.text;
  ASSERT_EQ(claimed.status, 200) << claimed.text;

  const Json settlement = {{"id", enqueued.body["id"]},
                           {"lease", claimed.body["jobs"][0]["lease"]},
                           {"outcome", "Succeeded"}};
  const Json body = {{"worker", "w"}, {"settlements", Json::array({settlement})}};
  Reply settled = call("worker-token", "POST", std::string(kQueue) + "/jobs:settle", body.dump());

  EXPECT_EQ(settled.body["results"][0]["status"], "ok") << settled.text;
}

TEST_F(BrokerAuth, WhoIsNotKnownIs401) {
  for (const char* token : {"", "garbage"}) {
    Reply refused = enqueue(token);
    EXPECT_EQ(refused.status, 401) << refused.text;
    EXPECT_EQ(refused.problem(), "unauthenticated");
    EXPECT_THAT(refused.headers["www-authenticate"], HasSubstr("Bearer"));
  }
  EXPECT_EQ(claim("worker-token", "sms").status, 401);
  EXPECT_EQ(enqueue(std::string(12'000, 'x')).status, 401);
  EXPECT_EQ(enqueue(std::string(60'000, 'x')).status, 431);
}

TEST_F(BrokerAuth, AMissingRightIs403AndNamed) {
  Reply redrive = call("alice-token", "POST", std::string(kQueue) + "/dead:redrive", "{}");
  Reply elsewhere =
      call("alice-token", "POST", "/v1/namespaces/web/queues/mail/jobs", R"({"payload":1})");

  EXPECT_EQ(redrive.status, 403) << redrive.text;
  EXPECT_EQ(redrive.problem(), "permission-denied");
  EXPECT_THAT(redrive.member("detail").get<std::string>(),
              HasSubstr("needs verb update on queues/dead (sluice.dev) in namespace shop"));
  EXPECT_EQ(elsewhere.status, 403) << elsewhere.text;
  EXPECT_EQ(call("alice-token", "GET", "/v1/queues").status, 403);
  EXPECT_EQ(claim("alice-token").status, 403);
}

TEST_F(BrokerAuth, BackupsTakeARightInAllNamespaces) {
  reviews_.grant("alice", "create backups", "shop");
  reviews_.grant("operator", "list backups");

  Reply narrow = call("alice-token", "POST", "/v1/backups", "{}");
  EXPECT_EQ(narrow.status, 403) << narrow.text;
  EXPECT_THAT(narrow.member("detail").get<std::string>(),
              HasSubstr("needs verb create on backups (sluice.dev) in all namespaces"));
  // Nor does naming the namespaces help, as it does where a call speaks of these alone.
  EXPECT_EQ(call("alice-token", "POST", "/v1/backups?namespaces=shop", "{}").status, 400);
  EXPECT_EQ(call("operator-token", "DELETE", "/v1/backups/b").status, 403);
  EXPECT_EQ(call("operator-token", "GET", "/v1/backups").status, 409);  // allowed, and no folder
}

TEST_F(BrokerAuth, SpeakingForAResourceTakesTheOperatorsRight) {
  const std::string id = R"({"payload":1,"id":"0192aaaa-0000-7000-8000-000000000001"})";
  const std::string source =
      R"({"payload":1,"source":{"kind":"Job","uid":"u-1","name":"n"},"id":"0192aaaa-0000-7000-8000-000000000002"})";
  const std::string batch = std::string(kQueue) + "/jobs:batch";

  for (const std::string& job : {id, source}) {
    Reply refused = enqueue("alice-token", job);
    EXPECT_EQ(refused.status, 403) << refused.text;
    EXPECT_THAT(refused.text, HasSubstr("update on queues/config"));
    EXPECT_EQ(call("alice-token", "POST", batch, R"({"jobs":[{"payload":1},)" + job + "]}").status,
              403);
    EXPECT_EQ(enqueue("operator-token", job).status, 202);
  }
  Reply queue = call("operator-token", "GET", kQueue);
  EXPECT_EQ(queue.body["figures"]["ready"], 2) << "nothing of a refused batch was taken";
}

// SURVIVAL 15
TEST_F(BrokerAuth, WithoutAReviewerWhatIsNotKnownIs503) {
  ASSERT_EQ(enqueue("alice-token").status, 202);
  reviews_.add_token("bob-token", "alice", {"sluice"});
  reviews_.set_mood(ReviewServer::Mood::kHangsUp);

  EXPECT_EQ(enqueue("alice-token").status, 202);
  Reply refused = enqueue("bob-token");
  EXPECT_EQ(refused.status, 503) << refused.text;
  EXPECT_EQ(refused.problem(), "unavailable");
  EXPECT_EQ(refused.headers["retry-after"], "1");
  EXPECT_EQ(call("", "GET", "/healthz").status, 200);

  reviews_.set_mood(ReviewServer::Mood::kAnswers);
  EXPECT_EQ(enqueue("bob-token").status, 202);
}

// SURVIVAL 15
TEST_F(BrokerAuth, ANewCertificateIsShownToNewConnectionsAndOldOnesGoOn) {
  http::Client old(*http::parse_url(url_),
                   trusting(authority_.certificate_pem(), "operator-token"));
  ASSERT_EQ(send(old, "GET", kQueue).status, 200);
  auto waiting = std::async(std::launch::async, [&] {
    return call("worker-token", "POST", std::string(kQueue) + "/jobs:claim",
                R"({"worker":"w","waitSeconds":60})");
  });
  ASSERT_TRUE(eventually([&] { return send(old, "GET", kQueue).body["workers"].size() == 1; }));
  const TestAuthority next("next authority");

  replace_file(path("tls.crt"), "broken");
  EXPECT_EQ(call("", "GET", "/healthz").status, 200) << "the old pair stays";
  write_pair(loopback_identity(next));
  http::Client fresh(*http::parse_url(url_), trusting(next.certificate_pem()));
  EXPECT_EQ(send(fresh, "GET", "/healthz").status, 200);
  EXPECT_EQ(call("", "GET", "/healthz").status, 0) << "the old authority did not sign this one";

  EXPECT_EQ(send(old, "POST", std::string(kQueue) + "/jobs", R"({"payload":1})").status, 202);
  Reply claimed = waiting.get();
  EXPECT_EQ(claimed.body["jobs"].size(), 1u) << claimed.text;
  EXPECT_THAT(process_->errors(), HasSubstr("the new certificate is not used"));
}

TEST_F(BrokerAuth, SignalsAreStreamedAndBoundToTheirNamespaces) {
  ASSERT_EQ(call("operator-token", "PUT", "/v1/namespaces/web/queues/a", R"({"spec":{}})").status,
            200);
  http::Client client(*http::parse_url(url_),
                      trusting(authority_.certificate_pem(), "operator-token"));
  std::vector<std::string> lines;
  const auto ended = client.stream_lines({.target = "/v1/signals?namespaces=web"},
                                         std::chrono::seconds{30}, [&](std::string_view line) {
                                           lines.emplace_back(line);
                                           return line.empty();
                                         });

  ASSERT_TRUE(ended) << ended.error().message;
  EXPECT_THAT(lines.back(), HasSubstr(R"("namespace":"web","queue":"a")"));
  http::Client alice(*http::parse_url(url_), trusting(authority_.certificate_pem(), "alice-token"));
  const auto refused = alice.stream_lines({.target = "/v1/signals"}, std::chrono::seconds{30},
                                          [](std::string_view) { return false; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kPermissionDenied);
}

TEST_F(BrokerAuth, NoTokenIsLoggedAndItStopsInOrder) {
  ASSERT_EQ(enqueue("alice-token").status, 202);
  ASSERT_EQ(enqueue("garbage-token").status, 401);

  process_->signal(SIGTERM);
  const auto end = process_->wait();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0);
  EXPECT_THAT(process_->report(), Not(HasSubstr("-token ")));
  EXPECT_THAT(process_->report(), Not(HasSubstr("garbage")));
}

TEST_F(BrokerAuth, PlainHttpIsToldToUseTls) {
  std::string url = url_;
  url.erase(4, 1);
  http::Client client(*http::parse_url(url));

  Reply told = send(client, "GET", "/healthz");

  EXPECT_EQ(told.status, 400);
  EXPECT_THAT(told.text, HasSubstr("https"));
}

}  // namespace
}  // namespace sluice::testing
