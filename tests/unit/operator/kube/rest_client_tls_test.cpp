#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "tests/unit/operator/kube/rest_client_fixture.h"

namespace sluice::kube {
namespace {

using testing::TestAuthority;
using testing::TlsPeer;
using testing::TlsServer;

TEST(RestClientTls, AcceptsAServerOfItsAuthorityByAddress) {
  const TestAuthority authority;
  const TlsServer server(identity_of(authority.issue({.ip_addresses = {"127.0.0.1"}})), answer_all);
  const auto client =
      client_of({.server = server.url(), .ca = {.text = authority.certificate_pem()}});

  const auto answer = client->send({.path = "/version"});

  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "{}");
}

TEST(RestClientTls, AcceptsAServerByNameAndAsksForIt) {
  const TestAuthority authority;
  Seen names;
  const TlsServer server(identity_of(authority.issue({.dns_names = {"localhost"}})),
                         [&](TlsPeer& peer) {
                           names.add(peer.stream().requested_server_name());
                           answer_all(peer);
                         });
  const auto client =
      client_of({.server = server.url("localhost"), .ca = {.text = authority.certificate_pem()}});

  const auto answer = client->send({.path = "/version"});

  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(names.all(), std::vector<std::string>{"localhost"});
}

TEST(RestClientTls, AsksForNoNameWhenTheServerIsAnAddress) {
  const TestAuthority authority;
  Seen names;
  const TlsServer server(identity_of(authority.issue({.ip_addresses = {"127.0.0.1"}})),
                         [&](TlsPeer& peer) {
                           names.add(peer.stream().requested_server_name());
                           answer_all(peer);
                         });
  const auto client =
      client_of({.server = server.url(), .ca = {.text = authority.certificate_pem()}});

  ASSERT_TRUE(client->send({.path = "/version"}));

  EXPECT_EQ(names.all(), std::vector<std::string>{""});
}

TEST(RestClientTls, RefusesOtherServersAndSaysWhy) {
  const TestAuthority ours;
  const TestAuthority other("other authority");
  struct Case {
    const char* name;
    const TestAuthority& issuer;
    testing::CertificateFor subject;
    std::string host;
    std::string tls_server_name;
    const char* want;
  };
  const Case cases[] = {
      {"unknown authority",
       other,
       {.ip_addresses = {"127.0.0.1"}},
       "127.0.0.1",
       "",
       "unable to get local issuer certificate"},
      {"another name", ours, {.dns_names = {"example.com"}}, "localhost", "", "hostname mismatch"},
      {"a name in the subject only",
       ours,
       {.common_name = "localhost", .dns_names = {"x.y"}},
       "localhost",
       "",
       "hostname mismatch"},
      {"another address",
       ours,
       {.ip_addresses = {"127.0.0.2"}},
       "127.0.0.1",
       "",
       "IP address mismatch"},
      {"an address as a name",
       ours,
       {.dns_names = {"127.0.0.1"}},
       "127.0.0.1",
       "",
       "IP address mismatch"},
      {"not the configured name",
       ours,
       {.ip_addresses = {"127.0.0.1"}},
       "127.0.0.1",
       "kubernetes.default.svc",
       "hostname mismatch"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const TlsServer server(identity_of(c.issuer.issue(c.subject)), answer_all);
    const auto client = client_of({.server = server.url(c.host),
                                   .ca = {.text = ours.certificate_pem()},
                                   .tls_server_name = c.tls_server_name});

    const auto answer = client->send({.path = "/version"});

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(answer.error().message.find(c.want), std::string::npos) << answer.error().message;
  }
}

TEST(RestClientTls, TheConfiguredNameStandsForTheHost) {
  const TestAuthority authority;
  Seen names;
  const TlsServer server(identity_of(authority.issue({.dns_names = {"kubernetes.default.svc"}})),
                         [&](TlsPeer& peer) {
                           names.add(peer.stream().requested_server_name());
                           const auto request = peer.read_request();
                           if (request) names.add(request->headers.at("host"));
                           peer.reply(200, "{}");
                         });
  const auto client = client_of({.server = server.url(),
                                 .ca = {.text = authority.certificate_pem()},
                                 .tls_server_name = "kubernetes.default.svc"});

  const auto answer = client->send({.path = "/version"});

  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(names.all(), (std::vector<std::string>{"kubernetes.default.svc",
                                                   "127.0.0.1:" + std::to_string(server.port())}));
}

TEST(RestClientTls, SkipsTheCheckWhenTold) {
  const TestAuthority authority;
  const TlsServer server(identity_of(authority.issue({.dns_names = {"example.com"}})), answer_all);
  const auto client = client_of({.server = server.url(), .skips_tls_verify = true});

  const auto answer = client->send({.path = "/version"});

  ASSERT_TRUE(answer) << answer.error().message;
}

TEST(RestClientTls, ShowsItsClientCertificate) {
  const TestAuthority authority;
  testing::TlsIdentity identity = identity_of(authority.issue({.ip_addresses = {"127.0.0.1"}}));
  identity.ca_pem = authority.certificate_pem();
  Seen names;
  const TlsServer server(identity, [&](TlsPeer& peer) {
    names.add(peer.stream().peer_common_name());
    answer_all(peer);
  });
  const auto ours = authority.issue({.common_name = "system:admin"});
  const auto client = client_of({.server = server.url(),
                                 .ca = {.text = authority.certificate_pem()},
                                 .client_certificate = {.text = ours.certificate_pem},
                                 .client_key = {.text = ours.key_pem}});

  const auto answer = client->send({.path = "/version"});

  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(names.all(), std::vector<std::string>{"system:admin"});
}

// SURVIVAL 15.
TEST(RestClientTls, ReadsAReplacedAuthorityAfterAFailure) {
  const TestAuthority before("before");
  const TestAuthority after("after");
  const testing::TemporaryFolder folder;
  const auto file = folder.path() / "ca.crt";
  std::ofstream(file) << before.certificate_pem();
  const TlsServer server(identity_of(after.issue({.ip_addresses = {"127.0.0.1"}})), answer_all);
  const auto client = client_of({.server = server.url(), .ca = {.file = file}});
  ASSERT_FALSE(client->send({.path = "/version"}));

  std::ofstream(file) << after.certificate_pem();

  const auto answer = client->send({.path = "/version"});
  EXPECT_TRUE(answer) << answer.error().message;
}

TEST(RestClientTls, RefusesUnusableConfigurationAtOnce) {
  const TestAuthority authority;
  const auto one = authority.issue({});
  const auto two = authority.issue({});
  struct Case {
    const char* name;
    KubeConfig config;
    const char* want;
  };
  const Case cases[] = {
      {"authority", {.server = "https://a", .ca = {.text = "nonsense"}}, "holds no certificate"},
      {"missing file", {.server = "https://a", .ca = {.file = "/nonexistent"}}, "/nonexistent"},
      {"key of another",
       {.server = "https://a",
        .client_certificate = {.text = one.certificate_pem},
        .client_key = {.text = two.key_pem}},
       "does not belong"},
      {"no host", {.server = "https://"}, "names no host"},
      {"no port number", {.server = "https://a:b"}, "https://a:b"},
  };
  const testing::ManualClock clock;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);

    const auto client = make_rest_client(c.config, {.user_agent = "t", .clock = clock});

    ASSERT_FALSE(client);
    EXPECT_NE(client.error().message.find(c.want), std::string::npos) << client.error().message;
  }
}

}  // namespace
}  // namespace sluice::kube
