// Objects that others change under us, and very many of them (SURVIVAL 13, 14).
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/integration/kube/fault_fixture.h"
#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

using namespace std::chrono_literals;

class FaultyObject : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    if (IsSkipped()) return;
    scene().make_queue(1);
    start_operator();
    scene().make_job("a");
    ASSERT_TRUE(becomes_accepted("a"));
  }
};

// Another field of spec and one of status, in the schema of Jobs while this lives.
class NewerCrd {
 public:
  explicit NewerCrd(Cluster& cluster) : cluster_(cluster) {
    patch(Json::array({add("spec", "zzNewer"), add("status", "zzNewer")}));
  }
  ~NewerCrd() {
    patch({{{"op", "remove"}, {"path", place("spec", "zzNewer")}},
           {{"op", "remove"}, {"path", place("status", "zzNewer")}}});
  }
  NewerCrd(const NewerCrd&) = delete;
  NewerCrd& operator=(const NewerCrd&) = delete;

 private:
  static std::string place(const std::string& part, const std::string& field) {
    return "/spec/versions/0/schema/openAPIV3Schema/properties/" + part + "/properties/" + field;
  }
  static Json add(const std::string& part, const std::string& field) {
    return {{"op", "add"}, {"path", place(part, field)}, {"value", {{"type", "string"}}}};
  }
  void patch(const Json& operations) {
    cluster_.call({.method = "PATCH",
                   .path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
                           "jobs.sluice.dev",
                   .body = operations.dump(),
                   .content_type = "application/json-patch+json"});
  }

  Cluster& cluster_;
};

// SURVIVAL 13
TEST_F(FaultyObject, FieldsOfANewerDefinitionAreNoReasonToStop) {
  const NewerCrd newer(cluster_);
  // The server follows the definition in its own time, and ends the watches when it does.
  int tries = 0;
  ASSERT_TRUE(eventually([&] {
    const std::string name = "new-" + std::to_string(++tries);
    scene().make("jobs", {{"metadata", {{"name", name}}},
                          {"spec", {{"queue", "q"}, {"payload", 1}, {"zzNewer", "yes"}}}});
    return scene().get(scene().path("jobs", name))["spec"].contains("zzNewer");
  }));
  const std::string newest = "new-" + std::to_string(tries);

  EXPECT_TRUE(becomes_accepted(newest));
  EXPECT_EQ(scene().get(scene().path("jobs", newest))["spec"]["zzNewer"], "yes");
}

// SURVIVAL 13
TEST_F(FaultyObject, StatusThatAUserWipedIsWrittenAgainAndNothingRunsTwice) {
  const std::string job = scene().path("jobs", "a");
  const std::string queue = scene().path("queues", "q");
  ASSERT_TRUE(eventually([&] { return scene().condition(queue, "Ready").starts_with("True/"); }));

  cluster_.call({.method = "PATCH",
                 .path = job + "/status",
                 .body = R"([{"op":"remove","path":"/status"}])",
                 .content_type = "application/json-patch+json"});
  cluster_.call({.method = "PATCH",
                 .path = queue + "/status",
                 .body = R"([{"op":"remove","path":"/status"}])",
                 .content_type = "application/json-patch+json"});

  EXPECT_TRUE(becomes_accepted("a"));
  EXPECT_TRUE(eventually([&] { return scene().condition(queue, "Ready").starts_with("True/"); }));
  EXPECT_EQ(scene().broker_jobs().size(), 1U);
}

// SURVIVAL 13: what a user writes into the status moves nothing.
TEST_F(FaultyObject, LiesInAStatusAreCorrected) {
  const std::string queue = scene().path("queues", "q");
  ASSERT_TRUE(eventually([&] { return scene().pods().size() == 1; }));

  scene().patch(queue + "/status", {{"status", {{"desiredReplicas", 7}, {"conditions", {}}}}});

  EXPECT_TRUE(eventually([&] { return scene().condition(queue, "Ready").starts_with("True/"); }));
  EXPECT_TRUE(eventually([&] { return scene().get(queue)["status"]["desiredReplicas"] == 1; }));
  EXPECT_EQ(scene().pods().size(), 1U);
}

class ManyObjects : public FaultTest {};

// SURVIVAL 14
TEST_F(ManyObjects, ANewOneIsServedBeforeTheBacklogIsThrough) {
  constexpr int kBacklog = 1'000;
  scene().make_queue();
  for (int i = 0; i < kBacklog; ++i) scene().make_job("old-" + std::to_string(i));
  // So that the backlog takes a while on any machine.
  proxy().on({.method = "PATCH", .path_contains = "/status", .times = ProxyMatch::kAlways},
             Fault::slow(20ms));
  start_operator();
  const ProxyMatch written{.method = "PATCH", .path_contains = "/jobs/old-"};
  ASSERT_TRUE(proxy().wait_for(written, 1));

  scene().make_job("new");

  ASSERT_TRUE(proxy().wait_for({.method = "PATCH", .path_contains = "/jobs/new/status"}, 1));
  EXPECT_LT(proxy().count(written), kBacklog);
  proxy().clear();
  // Nothing starves.
  EXPECT_TRUE(eventually([&] {
    const auto jobs = scene().list(scene().path("jobs"));
    return std::all_of(jobs.begin(), jobs.end(), [](const Json& one) {
      return one.value(Json::json_pointer("/status/state"), "") == "Ready";
    });
  }));
}

}  // namespace
}  // namespace sluice::testing
