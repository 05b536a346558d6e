// Operators that know the API server only through a proxy which fails as a test says.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/api_client.h"
#include "tests/integration/broker_process.h"
#include "tests/integration/kube/cluster.h"
#include "tests/support/child_process.h"
#include "tests/support/kube_proxy.h"
#include "tests/support/temporary_folder.h"

namespace sluice::testing {

// One sluice-operator of a namespace. Threads: the one that made it, but for kill9_now().
class OperatorProcess {
 public:
  struct Setup {
    std::string kube_url;
    std::string broker_url;
    std::string namespace_name;
    bool is_leader_elect = false;
    std::string token_file = {};  // shown to the API server
  };

  explicit OperatorProcess(Setup setup);

  // Returns once it says that it is ready; aborts the test when it does not.
  void start();
  // Starts it when it is not running; whether that was so.
  bool revive();
  std::optional<ProcessEnd> terminate();
  // How it ended by itself, if it did.
  std::optional<ProcessEnd> wait() { return process_->wait(); }
  // From any thread; the process is collected by revive().
  void kill9_now() const;
  std::string report() const { return process_ ? process_->report() : ""; }

 private:
  const Setup setup_;
  TemporaryFolder folder_;
  std::optional<ChildProcess> process_;
  std::atomic<pid_t> pid_{0};
};

// A namespace, its part of the broker, and the proxy in front of its operators. What the methods
// ask the API server goes past the proxy.
class FaultScene {
 public:
  // `target`: instead of the cluster with all rights.
  FaultScene(Cluster& cluster, const std::string& broker_url,
             const std::optional<ProxyTarget>& target = {});

  const std::string& ns() const { return namespace_.name(); }
  KubeProxy& proxy() { return proxy_; }
  OperatorProcess::Setup setup() const { return {proxy_.url(), broker_url_, ns()}; }

  // Of sluice.dev: "queues", "jobs", "schedules".
  std::string path(const std::string& plural, const std::string& name = "") const;
  std::string pods_path(const std::string& name = "") const;

  void make(const std::string& plural, const Json& object);
  // A queue "q" that keeps `pods` worker pods.
  void make_queue(int pods = 0);
  void make_job(const std::string& name);
  void remove(const std::string& path);
  // A merge patch, as kubectl sends it.
  void patch(const std::string& path, const Json& change);
  // Null when there is none.
  Json get(const std::string& path);
  std::vector<Json> list(const std::string& path);

  // "" until it is there.
  std::string job_state(const std::string& name);
  // "True/Reason" of a condition; "" until it is there.
  std::string condition(const std::string& path, std::string_view type);
  std::vector<Json> pods() { return list(pods_path()); }

  // Jobs of the broker's queue "q".
  std::vector<Json> broker_jobs();
  // Runs the next job that is ready, as the worker in `pod`.
  Json claim(const std::string& worker, const std::string& instance);
  bool settle(const Json& claimed, const Json& outcome);
  int broker_queue_status();

 private:
  std::string broker_path(std::string_view below = "") const;

  Cluster& cluster_;
  const std::string broker_url_;
  TestNamespace namespace_;
  KubeProxy proxy_;
  ApiClient broker_;
  std::unique_ptr<kube::ApiClient> client_;
};

// A test with a broker and a scene of its own.
class FaultTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  FaultScene& scene() { return *scene_; }
  KubeProxy& proxy() { return scene_->proxy(); }
  // Starts one that runs until the test ends.
  OperatorProcess& start_operator();
  OperatorProcess& start_operator(const OperatorProcess::Setup& setup);
  bool becomes_accepted(const std::string& job);

  Cluster cluster_;
  TemporaryFolder folder_;
  std::optional<BrokerProcess> broker_;
  std::optional<FaultScene> scene_;
  std::vector<std::unique_ptr<OperatorProcess>> operators_;
};

}  // namespace sluice::testing
