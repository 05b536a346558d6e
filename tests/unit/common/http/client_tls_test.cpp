// Whom an https client trusts, and the token it shows.
#include <gmock/gmock.h>

#include "common/http/client.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_certificates.h"
#include "tests/support/tls_server.h"
#include "tests/support/written_file.h"

namespace sluice::http {
namespace {

using ::testing::HasSubstr;
using testing::replace_file;
using testing::TestAuthority;
using testing::TlsPeer;
using testing::TlsServer;

testing::TlsIdentity identity_of(const TestAuthority& authority,
                                 const testing::CertificateFor& subject) {
  const auto issued = authority.issue(subject);
  return {.certificate_pem = issued.certificate_pem, .key_pem = issued.key_pem};
}

// Answers with the token that was shown.
void echo_token(TlsPeer& peer) {
  while (const auto request = peer.read_request()) {
    const auto shown = request->headers.find("authorization");
    peer.reply(200, shown == request->headers.end() ? "none" : shown->second);
  }
}

class HttpClientTls : public ::testing::Test {
 protected:
  Result<Response> get(const std::string& url, ClientOptions options) {
    Client client(*parse_url(url), std::move(options));
    return client.send({.target = "/"});
  }
  std::string error_of(const std::string& url, ClientOptions options) {
    const auto response = get(url, std::move(options));
    return response ? "" : response.error().message;
  }
  std::string path(const std::string& name) { return (folder_.path() / name).string(); }

  testing::TemporaryFolder folder_;
  TestAuthority authority_;
  TlsServer server_{identity_of(authority_, {.dns_names = {"localhost", "broker.sluice.svc"},
                                             .ip_addresses = {"127.0.0.1"}}),
                    echo_token};
};

TEST_F(HttpClientTls, TrustsTheAuthorityOfTheFileForNamesAndAddresses) {
  replace_file(path("ca.crt"), authority_.certificate_pem());

  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto response = get(server_.url(host), {.ca_file = path("ca.crt")});
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 200);
  }
}

TEST_F(HttpClientTls, KeepsAConnection) {
  Client client(*parse_url(server_.url()), {.ca_pem = authority_.certificate_pem()});

  ASSERT_TRUE(client.send({.target = "/"}));
  ASSERT_TRUE(client.send({.method = "POST", .body = std::string(300'000, 'x')}));

  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(HttpClientTls, TrustsNobodyElse) {
  const TestAuthority stranger;  // of the same name
  const TlsServer elsewhere(identity_of(authority_, {.dns_names = {"elsewhere"}}), echo_token);
  const std::string ca = authority_.certificate_pem();

  EXPECT_THAT(error_of(server_.url(), {.ca_pem = stranger.certificate_pem()}),
              HasSubstr("its certificate is not trusted"));
  EXPECT_THAT(error_of(elsewhere.url(), {.ca_pem = ca}), HasSubstr("IP address mismatch"));
  EXPECT_THAT(error_of(elsewhere.url("localhost"), {.ca_pem = ca}), HasSubstr("hostname mismatch"));
  EXPECT_THAT(error_of(server_.url(), {}), HasSubstr("https needs the certificates to trust"));
  EXPECT_THAT(error_of(server_.url(), {.ca_file = path("none")}), HasSubstr("No such file"));
  EXPECT_THAT(error_of(server_.url(), {.ca_pem = "x"}), HasSubstr("holds no certificate"));
}

TEST_F(HttpClientTls, ChecksTheNameItIsToldToExpect) {
  const std::string ca = authority_.certificate_pem();

  EXPECT_TRUE(get(server_.url(), {.ca_pem = ca, .server_name = "broker.sluice.svc"}));
  EXPECT_FALSE(get(server_.url(), {.ca_pem = ca, .server_name = "other.sluice.svc"}));
}

// SURVIVAL 15
TEST_F(HttpClientTls, SeesAReplacedCaFile) {
  const TestAuthority old("old authority");
  replace_file(path("ca.crt"), old.certificate_pem());
  Client client(*parse_url(server_.url()), {.ca_file = path("ca.crt")});
  EXPECT_FALSE(client.send({.target = "/"}));

  replace_file(path("ca.crt"), old.certificate_pem() + authority_.certificate_pem());

  const auto response = client.send({.target = "/"});
  EXPECT_TRUE(response) << response.error().message;
}

TEST_F(HttpClientTls, SaysThatAServerSpeaksNoTls) {
  const TlsServer plain({}, [](TlsPeer& peer) { peer.write("HTTP/1.1 400 Bad\r\n\r\n"); });
  std::string url = plain.url();
  url.replace(0, 4, "https");

  EXPECT_THAT(error_of(url, {.ca_pem = authority_.certificate_pem()}), HasSubstr("TLS: "));
}

TEST(HttpClientToken, IsReadAgainWhenTheFileChanges) {
  const testing::TemporaryFolder folder;
  const std::string file = (folder.path() / "token").string();
  replace_file(file, "first\n");
  const TlsServer server({}, echo_token);
  Client client(*parse_url(server.url()), {.token_file = file});

  EXPECT_EQ(client.send({.target = "/"})->body, "Bearer first");
  replace_file(file, "second");
  EXPECT_EQ(client.send({.target = "/"})->body, "Bearer second");
  replace_file(file, "two\nlines");

  const auto response = client.send({.target = "/"});
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message, HasSubstr("holds no token"));
  EXPECT_THAT(response.error().message, Not(HasSubstr("lines")));
}

TEST(HttpClientToken, ARefusedOneIsTriedOnceMoreWhenItHasChanged) {
  const testing::TemporaryFolder folder;
  const std::string file = (folder.path() / "token").string();
  replace_file(file, "old");
  const TlsServer server({}, [&](TlsPeer& peer) {
    while (const auto request = peer.read_request()) {
      const bool is_new = request->headers.at("authorization") == "Bearer new";
      if (!is_new) replace_file(file, "new");
      peer.reply(is_new ? 200 : 401, "{}");
    }
  });
  Client client(*parse_url(server.url()), {.token_file = file});

  const auto response = client.send({.method = "POST", .body = "{}"}, /*repeatable=*/false);

  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
}

TEST(HttpClientToken, ARefusedOneThatIsStillTheSameIsNotRepeated) {
  int requests = 0;
  {
    const TlsServer server({}, [&](TlsPeer& peer) {
      while (peer.read_request()) {
        ++requests;
        peer.reply(401, "{}");
      }
    });
    Client client(*parse_url(server.url()), {.token = "same"});
    EXPECT_EQ(client.send({.target = "/"})->status, 401);
  }

  EXPECT_EQ(requests, 1);
}

}  // namespace
}  // namespace sluice::http
