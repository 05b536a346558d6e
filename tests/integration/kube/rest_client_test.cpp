// The API client against a real API server, directly and through the proxy.
#include "operator/kube/rest_client.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/integration/kube/cluster.h"
#include "tests/integration/kube/proxy_target.h"
#include "tests/support/test_certificates.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::Fault;
using testing::KubeProxy;

class RestClientOnKubernetes : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cluster_.missing().empty()) GTEST_SKIP() << cluster_.missing();
    auto config = load_kubeconfig(std::getenv("SLUICE_TEST_KUBECONFIG"), "");
    ASSERT_TRUE(config) << config.error().message;
    config_ = *std::move(config);
    name_space_ = std::make_unique<testing::TestNamespace>(cluster_);
  }

  std::unique_ptr<ApiClient> client_to(const KubeConfig& config) {
    auto client = make_rest_client(config, {.user_agent = "sluice-tests", .clock = clock_});
    CHECK(client);
    return *std::move(client);
  }
  std::string config_maps() const {
    return "/api/v1/namespaces/" + name_space_->name() + "/configmaps";
  }
  static ApiRequest make_config_map(const std::string& path, const std::string& name,
                                    const std::string& text = "x") {
    return {.method = "POST",
            .path = path,
            .body = json{{"metadata", {{"name", name}}}, {"data", {{"text", text}}}}.dump()};
  }
  // The names of the first `count` objects a watch from the beginning tells of.
  Status watch(ApiClient& client, std::size_t count, std::vector<std::string>& names) const {
    return client.stream_lines(
        {.path = config_maps() + "?watch=true&resourceVersion=0"}, 20s, [&](std::string_view line) {
          const json event = json::parse(line);
          const std::string name = event["type"] == "ERROR"
                                       ? event["object"]["reason"].get<std::string>()
                                       : event["object"]["metadata"]["name"].get<std::string>();
          if (name != "kube-root-ca.crt") names.push_back(name);
          return names.size() < count;
        });
  }

  testing::Cluster cluster_;
  SystemClock clock_;
  KubeConfig config_;
  std::unique_ptr<testing::TestNamespace> name_space_;
};

TEST_F(RestClientOnKubernetes, WritesListsAndWatches) {
  const auto client = client_to(config_);
  const std::string large(700'000, 'y');

  const auto made = client->send(make_config_map(config_maps(), "one"));
  const auto second = client->send(make_config_map(config_maps(), "two", large));
  const auto page = client->send({.path = config_maps() + "?limit=1"});
  const auto missing = client->send({.path = config_maps() + "/none"});
  std::vector<std::string> names;
  const Status watched = watch(*client, 2, names);

  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->status, 201) << made->body;
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->status, 201);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_NE(json::parse(page->body)["metadata"]["continue"], "");
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, 404);
  EXPECT_TRUE(watched) << watched.error().message;
  EXPECT_EQ(std::set(names.begin(), names.end()), (std::set<std::string>{"one", "two"}));
}

TEST_F(RestClientOnKubernetes, AServerOfAnotherAuthorityIsRefused) {
  KubeConfig config = config_;
  const testing::TestAuthority other;
  config.ca = {.text = other.certificate_pem()};
  const auto client = client_to(config);

  const auto answer = client->send({.path = "/version"});

  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message.find("certificate"), std::string::npos)
      << answer.error().message;
}

TEST_F(RestClientOnKubernetes, SomebodyUnknownGetsA401) {
  KubeConfig config{.server = config_.server, .ca = config_.ca, .token = "nonsense"};
  const auto client = client_to(config);

  const auto answer = client->send({.path = config_maps()});

  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 401);
}

TEST_F(RestClientOnKubernetes, WorksThroughTheProxyAndFailsAsItIsTold) {
  KubeProxy proxy(testing::proxy_target_of(config_));
  const auto client = client_to({.server = proxy.url()});
  proxy.on({.method = "POST"}, Fault::cut_answer());
  proxy.on({.path_contains = "watch="}, Fault::watch_expired());

  const auto lost = client->send(make_config_map(config_maps(), "one"));
  const auto again = client->send(make_config_map(config_maps(), "one"));
  std::vector<std::string> expired;
  const Status first = watch(*client, 1, expired);
  std::vector<std::string> names;
  const Status second = watch(*client, 1, names);

  EXPECT_FALSE(lost);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->status, 409) << again->body;
  EXPECT_TRUE(first) << first.error().message;
  EXPECT_EQ(expired, std::vector<std::string>{"Expired"});
  EXPECT_TRUE(second) << second.error().message;
  EXPECT_EQ(names, std::vector<std::string>{"one"});
}

}  // namespace
}  // namespace sluice::kube
