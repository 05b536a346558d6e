#include "operator/kube/kube_config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace sluice::kube {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  fs::path write(const fs::path& name, std::string_view text) const {
    const fs::path path = folder_.path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }
  const fs::path& path() const { return folder_.path(); }

 private:
  testing::TemporaryFolder folder_;
};

// A file of one context with the given cluster and user.
std::string kubeconfig(std::string_view cluster, std::string_view user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
         "contexts: [{name: here, context: {cluster: c, user: u, namespace: team}}]\n"
         "clusters: [{name: c, cluster: " +
         std::string(cluster) + "}]\nusers: [{name: u, user: " + std::string(user) + "}]\n";
}

TEST(KubeConfig, InClusterReadsTheServiceAccount) {
  const Folder folder;
  folder.write("token", "abc");
  folder.write("ca.crt", "pem");
  folder.write("namespace", "jobs\n");

  const auto config = load_in_cluster("10.0.0.1", "443", folder.path());

  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server, "https://10.0.0.1:443");
  EXPECT_EQ(config->token_file, folder.path() / "token");
  EXPECT_EQ(config->ca.file, folder.path() / "ca.crt");
  EXPECT_EQ(config->name_space, "jobs");
}

TEST(KubeConfig, InClusterPutsIpv6InBrackets) {
  const Folder folder;
  folder.write("token", "abc");
  folder.write("ca.crt", "pem");

  const auto config = load_in_cluster("fd00::1", "443", folder.path());

  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server, "https://[fd00::1]:443");
  EXPECT_EQ(config->name_space, "default");
}

TEST(KubeConfig, OutsideAClusterIsAClearError) {
  const Folder folder;

  const auto config = load_in_cluster("", "", folder.path());

  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("KUBERNETES_SERVICE_HOST"), std::string::npos);
}

TEST(KubeConfig, InClusterWithoutATokenIsAnError) {
  const Folder folder;
  folder.write("ca.crt", "pem");

  const auto config = load_in_cluster("10.0.0.1", "443", folder.path());

  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("token"), std::string::npos);
}

TEST(Kubeconfig, ReadsInlineData) {
  const Folder folder;
  const auto file = folder.write(
      "config", kubeconfig("{server: 'https://api:6443', certificate-authority-data: Y2E=, "
                           "tls-server-name: other}",
                           "{client-certificate-data: Y2VydA==, client-key-data: a2V5}"));

  const auto config = load_kubeconfig(file.string(), "");

  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server, "https://api:6443");
  EXPECT_EQ(config->ca.text, "ca");
  EXPECT_EQ(config->tls_server_name, "other");
  EXPECT_EQ(config->client_certificate.text, "cert");
  EXPECT_EQ(config->client_key.text, "key");
  EXPECT_EQ(config->name_space, "team");
  EXPECT_EQ(config->context, "here");
}

TEST(Kubeconfig, RelativePathsStartAtTheFile) {
  const Folder folder;
  const auto file = folder.write(
      "deep/config", kubeconfig("{server: 'https://api', certificate-authority: ../pki/ca.crt}",
                                "{tokenFile: token, token: stale}"));

  const auto config = load_kubeconfig(file.string(), "here");

  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->ca.file, folder.path() / "pki/ca.crt");
  EXPECT_EQ(config->token_file, folder.path() / "deep/token");
  EXPECT_EQ(config->token, "");
}

TEST(Kubeconfig, OfAListTheFirstDefinitionWins) {
  const Folder folder;
  const auto first = folder.write(
      "first",
      "clusters: [{name: c, cluster: {server: 'https://first', certificate-authority: ca}}]\n");
  const auto second =
      folder.write("second", kubeconfig("{server: 'https://second'}", "{token: abc}"));

  const auto config = load_kubeconfig(
      first.string() + ":" + (folder.path() / "none").string() + "::" + second.string(), "");

  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server, "https://first");
  EXPECT_EQ(config->ca.file, folder.path() / "ca");
  EXPECT_EQ(config->token, "abc");
}

TEST(Kubeconfig, ReadsAPlugin) {
  const Folder folder;
  const auto file = folder.write(
      "config",
      kubeconfig("{server: 'https://api', certificate-authority-data: Y2E=, extensions: [{name: "
                 "client.authentication.k8s.io/exec, extension: {audience: 7, text: '7'}}]}",
                 "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login, args: "
                 "[get, token], env: [{name: A, value: b}], interactiveMode: IfAvailable, "
                 "provideClusterInfo: true, installHint: install it}}"));

  const auto config = load_kubeconfig(file.string(), "");

  ASSERT_TRUE(config) << config.error().message;
  ASSERT_TRUE(config->exec);
  EXPECT_EQ(config->exec->command, (folder.path() / "bin/login").string());
  EXPECT_EQ(config->exec->args, (std::vector<std::string>{"get", "token"}));
  EXPECT_EQ(config->exec->env, (std::vector<std::pair<std::string, std::string>>{{"A", "b"}}));
  EXPECT_EQ(config->exec->install_hint, "install it");
  EXPECT_EQ(config->exec->exec_info,
            R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",)"
            R"("spec":{"cluster":{"certificate-authority-data":"Y2E=",)"
            R"("config":{"audience":7,"text":"7"},"server":"https://api"},"interactive":false}})");
}

// What a plugin is shown comes from the file, whatever that holds.
TEST(Kubeconfig, HandsAPluginWellFormedJsonAlone) {
  const Folder folder;
  const auto plugin = [&](const std::string& cluster) {
    const auto file = folder.write(
        "config", kubeconfig(cluster,
                             "{exec: {apiVersion: client.authentication.k8s.io/v1, command: login, "
                             "interactiveMode: Never, provideClusterInfo: true}}"));
    return load_kubeconfig(file.string(), "");
  };
  const std::string extension =
      "{server: 'https://a', extensions: [{name: client.authentication.k8s.io/exec, extension: ";

  const auto no_utf8 = plugin("{server: 'https://a\xb0'}");
  const auto in_itself = plugin(extension + "&x [*x, *x]}]}");

  ASSERT_TRUE(no_utf8) << no_utf8.error().message;
  EXPECT_NE(no_utf8->exec->exec_info.find("https://a\xef\xbf\xbd"), std::string::npos);
  ASSERT_FALSE(in_itself);
  EXPECT_NE(in_itself.error().message.find("extension is too large"), std::string::npos);
}

TEST(Kubeconfig, RefusesWhatItCannotDoAndSaysWhere) {
  constexpr const char* kGood = "{server: 'https://api'}";
  struct Case {
    const char* name;
    std::string text;
    const char* want;
  };
  const Case cases[] = {
      {"not YAML", "a: [\n", ":2: not YAML"},
      {"not a map", "- a\n", "is not a map"},
      {"no current context", "contexts: []\n", "no current-context"},
      {"unknown context", "current-context: x\n", "no context \"x\""},
      {"unknown cluster", "current-context: x\ncontexts: [{name: x, context: {cluster: nope}}]\n",
       "no cluster \"nope\""},
      {"contexts no list", "current-context: x\ncontexts: {a: b}\n",
       ":2: contexts: must be a list"},
      {"no server", kubeconfig("{insecure-skip-tls-verify: true}", "{}"), "server is missing"},
      {"a server of another kind", kubeconfig("{server: 'ftp://x'}", "{}"), "https://"},
      {"proxy", kubeconfig("{server: 'https://a', proxy-url: 'socks5://p'}", "{}"),
       ":5: clusters[c].cluster.proxy-url: proxies are not supported"},
      {"not base64", kubeconfig("{server: 'https://a', certificate-authority-data: '*'}", "{}"),
       "certificate-authority-data: is not base64"},
      {"skip is no fact", kubeconfig("{server: 'https://a', insecure-skip-tls-verify: 3x}", "{}"),
       "must be true or false"},
      {"skip and authority",
       kubeconfig("{server: 'https://a', insecure-skip-tls-verify: true, "
                  "certificate-authority-data: Y2E=}",
                  "{}"),
       "contradicts certificate-authority"},
      {"auth provider", kubeconfig(kGood, "{auth-provider: {name: gcp}}"),
       ":6: users[u].user.auth-provider: is not supported"},
      {"impersonation", kubeconfig(kGood, "{as: somebody}"), "users[u].user.as: is not supported"},
      {"half a certificate", kubeconfig(kGood, "{client-key-data: a2V5}"), "go together"},
      {"token and username", kubeconfig(kGood, "{token: a, username: b}"), "contradict"},
      {"token and plugin", kubeconfig(kGood, "{token: a, exec: {command: b}}"), "contradicts"},
      {"plugin of an old version",
       kubeconfig(kGood, "{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: b}}"),
       "exec.apiVersion: must be"},
      {"plugin without command",
       kubeconfig(kGood, "{exec: {apiVersion: client.authentication.k8s.io/v1}}"),
       "command: is missing"},
      {"plugin with a terminal",
       kubeconfig(kGood,
                  "{exec: {apiVersion: client.authentication.k8s.io/v1, command: b, "
                  "interactiveMode: Always}}"),
       "exec.interactiveMode: Always cannot be met"},
      {"v1 plugin without a mode",
       kubeconfig(kGood, "{exec: {apiVersion: client.authentication.k8s.io/v1, command: b}}"),
       "interactiveMode: must be given"},
      {"token no text", kubeconfig(kGood, "{token: [a]}"), "token: must be a text"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Folder folder;
    const auto file = folder.write("config", c.text);

    const auto config = load_kubeconfig(file.string(), "");

    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(config.error().message.find(c.want), std::string::npos) << config.error().message;
    EXPECT_TRUE(config.error().message.starts_with(file.string())) << config.error().message;
  }
}

TEST(Kubeconfig, AMissingFileIsAnErrorOnlyAlone) {
  const Folder folder;

  const auto alone = load_kubeconfig((folder.path() / "none").string(), "");
  const auto list = load_kubeconfig((folder.path() / "none").string() + ":", "");

  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().code, ErrorCode::kNotFound);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::kube
