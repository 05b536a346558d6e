// A real API server, for tests that need its manners.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "operator/controller/object_store.h"
#include "operator/kube/api_client.h"
#include "operator/kube/kube_config.h"

namespace sluice::testing {

// The one SLUICE_TEST_KUBECONFIG names. crds/ is installed there unless it is already.
class Cluster {
 public:
  Cluster();

  // Why there is none; empty: there is one.
  const std::string& missing() const { return missing_; }
  const kube::KubeConfig& config() const { return config_; }

  // Aborts when it cannot be made.
  std::unique_ptr<kube::ApiClient> make_client() const;
  // Fails the test unless the answer is a success.
  std::string call(const kube::ApiRequest& request);

 private:
  void install_crds();

  std::string missing_;
  kube::KubeConfig config_;
  SystemClock clock_;
  std::unique_ptr<kube::ApiClient> client_;
};

// A namespace of the test's own in which pods can be made; deleted with everything in it.
class TestNamespace {
 public:
  explicit TestNamespace(Cluster& cluster);
  ~TestNamespace();
  TestNamespace(const TestNamespace&) = delete;
  TestNamespace& operator=(const TestNamespace&) = delete;

  const std::string& name() const { return name_; }

 private:
  Cluster& cluster_;
  std::string name_;
};

}  // namespace sluice::testing
