#include "operator/kube/credential_source.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/manual_clock.h"
#include "tests/support/temporary_folder.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct Fixture {
  testing::ManualClock clock;
  testing::TemporaryFolder folder;

  fs::path write(const char* name, const std::string& text) const {
    // Replaced as the kubelet does it: another file under the same name.
    const fs::path path = folder.path() / name;
    const fs::path fresh = folder.path() / (std::string(name) + ".new");
    std::ofstream(fresh) << text;
    fs::rename(fresh, path);
    return path;
  }

  // A plugin that counts its runs in the file "runs" and then does `body`.
  KubeConfig plugin(const std::string& body) const {
    const fs::path script =
        write("login", "#!/bin/sh\necho run >> " + (folder.path() / "runs").string() + "\n" + body);
    fs::permissions(script, fs::perms::owner_all);
    return {.server = "https://api",
            .exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1",
                               .command = script.string(),
                               .args = {"first argument"},
                               .env = {{"FROM_CONFIG", "yes"}},
                               .install_hint = "Install it.",
                               .exec_info = "{\"spec\":{}}"}};
  }

  std::size_t runs() const {
    std::ifstream file(folder.path() / "runs");
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
  }
};

std::string prints(const std::string& status) {
  return "cat <<'END'\n{\"kind\":\"ExecCredential\",\"apiVersion\":"
         "\"client.authentication.k8s.io/v1\",\"status\":" +
         status + "}\nEND\n";
}

TEST(CredentialSource, BasicFromUsernameAndPassword) {
  const Fixture f;
  const auto source = make_credential_source({.username = "ada", .password = "love:lace"}, f.clock);

  const auto credential = source->current();

  ASSERT_TRUE(credential);
  EXPECT_EQ(credential->authorization, "Basic YWRhOmxvdmU6bGFjZQ==");
}

// SURVIVAL 15.
TEST(CredentialSource, ReadsATokenFileAgainWhenItChanges) {
  const Fixture f;
  const auto source = make_credential_source({.token_file = f.write("token", "one\n")}, f.clock);
  ASSERT_EQ(source->current()->authorization, "Bearer one");

  f.write("token", "two\n");

  EXPECT_EQ(source->current()->authorization, "Bearer two");
}

TEST(CredentialSource, KeepsTheLastTokenWhileTheFileIsGone) {
  const Fixture f;
  const fs::path file = f.write("token", "one");
  const auto source = make_credential_source({.token_file = file}, f.clock);
  ASSERT_TRUE(source->current());

  fs::remove(file);

  EXPECT_EQ(source->current()->authorization, "Bearer one");
}

TEST(CredentialSource, RefusesATokenThatWouldEndTheHeader) {
  const Fixture f;
  const auto source =
      make_credential_source({.token_file = f.write("token", "one\r\nX: y")}, f.clock);

  const auto credential = source->current();

  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().code, ErrorCode::kUnauthenticated);
}

TEST(CredentialSource, RunsAPluginOnceUntilItsCredentialExpires) {
  Fixture f;
  const std::string expiry = format_rfc3339(f.clock.now().wall + 1h);
  const auto source = make_credential_source(
      f.plugin(prints(R"({"token":"abc","expirationTimestamp":")" + expiry + R"("})")), f.clock);

  ASSERT_EQ(source->current()->authorization, "Bearer abc");
  ASSERT_TRUE(source->current());
  EXPECT_EQ(f.runs(), 1U);

  f.clock.advance(1h);
  ASSERT_TRUE(source->current());
  EXPECT_EQ(f.runs(), 2U);
}

TEST(CredentialSource, RunsAPluginAgainAfterARejection) {
  const Fixture f;
  const auto source = make_credential_source(f.plugin(prints(R"({"token":"abc"})")), f.clock);
  const auto used = source->current();
  ASSERT_TRUE(used);

  source->rejected({.authorization = "Bearer somebody else's"});
  ASSERT_TRUE(source->current());
  EXPECT_EQ(f.runs(), 1U);

  source->rejected(*used);
  ASSERT_TRUE(source->current());
  EXPECT_EQ(f.runs(), 2U);
}

TEST(CredentialSource, GivesAPluginItsArgumentsAndEnvironmentAndNoInput) {
  const Fixture f;
  const auto source = make_credential_source(
      f.plugin("[ \"$1\" = 'first argument' ] && [ $FROM_CONFIG = yes ] && [ -n \"$PATH\" ] &&\n"
               "[ $KUBERNETES_EXEC_INFO = '{\"spec\":{}}' ] && ! read line || exit 9\n" +
               prints(R"({"clientCertificateData":"c","clientKeyData":"k"})")),
      f.clock);

  const auto credential = source->current();

  ASSERT_TRUE(credential) << credential.error().message;
  EXPECT_EQ(credential->client_certificate_pem, "c");
  EXPECT_EQ(credential->client_key_pem, "k");
  EXPECT_EQ(credential->authorization, "");
}

TEST(CredentialSource, SaysWhyAPluginFailed) {
  struct Case {
    const char* name;
    std::string body;
    const char* want;
  };
  const Case cases[] = {
      {"exit code and stderr", "echo 'log in first' >&2; exit 3\n", "exit code 3: log in first"},
      {"no JSON", "echo hello\n", "not a JSON object"},
      {"another kind", "echo '{\"kind\":\"Pod\"}'\n", "not an ExecCredential"},
      {"another version",
       "echo '{\"kind\":\"ExecCredential\","
       "\"apiVersion\":\"client.authentication.k8s.io/v1beta1\"}'\n",
       "v1beta1"},
      {"no status",
       "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\"}'\n",
       "no status"},
      {"nothing in it", prints("{}"), "neither a token"},
      {"half a certificate", prints(R"({"clientKeyData":"k"})"), "only one of"},
      {"no time", prints(R"({"token":"t","expirationTimestamp":"soon"})"), "no time"},
      {"endless", "exec yes\n", "more than 1 MiB"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Fixture f;
    const auto source = make_credential_source(f.plugin(c.body), f.clock);

    const auto credential = source->current();

    ASSERT_FALSE(credential);
    EXPECT_EQ(credential.error().code, ErrorCode::kUnauthenticated);
    EXPECT_NE(credential.error().message.find(c.want), std::string::npos)
        << credential.error().message;
  }
}

TEST(CredentialSource, AMissingPluginTellsHowToInstallIt) {
  const Fixture f;
  KubeConfig config = f.plugin("");
  config.exec->command = "sluice-no-such-plugin";
  const auto source = make_credential_source(config, f.clock);

  const auto credential = source->current();

  ASSERT_FALSE(credential);
  EXPECT_NE(credential.error().message.find("Install it."), std::string::npos);
}

TEST(CredentialSource, APluginThatHangsIsEnded) {
  const Fixture f;
  const auto source = make_credential_source(f.plugin("exec sleep 3600\n"), f.clock, 100ms);

  const auto credential = source->current();

  ASSERT_FALSE(credential);
  EXPECT_NE(credential.error().message.find("too long"), std::string::npos);
}

TEST(CredentialSource, CancelEndsAPluginUnderWay) {
  const Fixture f;
  const auto source = make_credential_source(f.plugin("exec sleep 3600\n"), f.clock);
  std::thread canceller([&] {
    while (f.runs() == 0) std::this_thread::yield();
    source->cancel();
  });

  const auto credential = source->current();
  canceller.join();

  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(source->current());
}

}  // namespace
}  // namespace sluice::kube
