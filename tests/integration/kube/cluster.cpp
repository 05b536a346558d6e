#include "tests/integration/kube/cluster.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "common/base/check.h"
#include "operator/kube/rest_client.h"
#include "tests/support/environment.h"
#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

constexpr const char* kCrds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/";

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

Cluster::Cluster() {
  const char* const path = std::getenv("SLUICE_TEST_KUBECONFIG");
  if (path == nullptr || *path == '\0') {
    missing_ = "needs SLUICE_TEST_KUBECONFIG, a kubeconfig of a cluster with crds/ installed";
    return;
  }
  auto config = kube::load_kubeconfig(path, "");
  CHECK(config);
  config_ = *std::move(config);
  client_ = make_client();
  install_crds();
}

void Cluster::install_crds() {
  const std::filesystem::path folder =
      std::filesystem::path(required_variable("SLUICE_SOURCE_DIR")) / "crds";
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string name = file.path().stem().string() + ".sluice.dev";
    const auto there = client_->send({.path = kCrds + name});
    if (there && there->status == 404) {
      call({.method = "PATCH",
            .path = kCrds + name + "?fieldManager=sluice-tests&force=true",
            .body = read_file(file.path()),
            .content_type = "application/apply-patch+yaml"});
    }
    EXPECT_TRUE(eventually([&] {
      const auto list = client_->send(
          {.path = "/apis/sluice.dev/v1alpha1/" + file.path().stem().string() + "?limit=1"});
      return list && list->status == 200;
    })) << name;
  }
}

std::unique_ptr<kube::ApiClient> Cluster::make_client() const {
  auto client = kube::make_rest_client(config_, {.user_agent = "sluice-tests", .clock = clock_});
  CHECK(client);
  return *std::move(client);
}

std::string Cluster::call(const kube::ApiRequest& request) {
  const auto answer = client_->send(request);
  if (!answer) {
    ADD_FAILURE() << request.method << " " << request.path << ": " << answer.error().message;
    return {};
  }
  EXPECT_TRUE(answer->status >= 200 && answer->status < 300)
      << request.method << " " << request.path << ": " << answer->body;
  return answer->body;
}

TestNamespace::TestNamespace(Cluster& cluster) : cluster_(cluster) {
  if (!cluster_.missing().empty()) return;
  const std::string made = cluster_.call(
      {.method = "POST",
       .path = "/api/v1/namespaces",
       .body =
           R"({"apiVersion":"v1","kind":"Namespace","metadata":{"generateName":"sluice-it-"}})"});
  name_ = nlohmann::json::parse(made).at("metadata").at("name").get<std::string>();
  // Pods are refused until the namespace has its service account.
  const auto client = cluster_.make_client();
  EXPECT_TRUE(eventually([&] {
    const auto account =
        client->send({.path = "/api/v1/namespaces/" + name_ + "/serviceaccounts/default"});
    return account && account->status == 200;
  }));
}

TestNamespace::~TestNamespace() {
  if (!name_.empty()) cluster_.call({.method = "DELETE", .path = "/api/v1/namespaces/" + name_});
}

}  // namespace sluice::testing
