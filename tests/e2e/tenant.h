// A user of the cluster: a namespace of its own with queues and jobs in it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/kubectl.h"

namespace sluice::testing {

using Json = nlohmann::json;

inline constexpr const char* kReleaseNamespace = "sluice";
inline constexpr const char* kHandlerImage = "localhost/e2e-handler:1";

// The namespace holds its pods to the restricted profile.
class Tenant : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  const std::string& ns() const { return namespace_; }

  // A queue whose handler is `script`, run by a shell that reads the payload on standard input.
  Json queue(const std::string& name, const std::string& script) const;
  Json job(const std::string& name, const std::string& queue, Json payload = Json::object()) const;
  // `count` jobs named PREFIX-0, PREFIX-1…
  void apply_jobs(const std::string& prefix, const std::string& queue, int count);
  // Queue "work" with `count` jobs of a second each, `pods_min` pods of four slots or more busy
  // with them.
  void start_load(int count, std::size_t pods_min = 2);

  Json get(const std::string& kind, const std::string& name);
  std::vector<Json> jobs();
  std::vector<Json> pods();
  // Names of worker pods that are ready.
  std::vector<std::string> ready_pods();
  int count_jobs(std::string_view state);
  // "True/Reason: message" of a condition.
  std::string condition(const std::string& kind, const std::string& name, const std::string& type);

  // Waits until `count` jobs of the namespace have succeeded, and holds each against no failed
  // attempt and, unless a pod went without a word, no lost lease.
  void expect_all_succeeded(int count, bool leases_may_be_lost = false);
  bool no_pods_left();
  // The handler's container in a queue's template.
  static Json& container_of(Json& queue);

 private:
  std::string namespace_;
};

// Polls slowly, for facts asked of an API server.
[[nodiscard]] bool becomes(const std::function<bool()>& fact, int seconds = 90);

// The operator's pod that leads.
std::string leader_pod();

}  // namespace sluice::testing
