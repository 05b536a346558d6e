// More than one operator, and hours without any (SURVIVAL 8, 9).
#include <gtest/gtest.h>

#include "operator/controller/controller.h"
#include "operator/controller/http_broker_api.h"
#include "operator/controller/kube_pod.h"
#include "operator/kube/kube_object_store.h"
#include "tests/integration/kube/fault_fixture.h"
#include "tests/support/eventually.h"
#include "tests/support/manual_clock.h"

namespace sluice::testing {
namespace {

using namespace std::chrono_literals;

class TwoOperators : public FaultTest {
 protected:
  void make_schedule(const Json& more) {
    Json spec = {{"schedule", "0 * * * *"},
                 {"jobTemplate", {{"spec", {{"queue", "q"}, {"payload", {{"tick", 1}}}}}}}};
    spec.update(more);
    scene().make("schedules",
                 {{"metadata", {{"name", "s"}, {"annotations", {{"sluice.dev/trigger", "t1"}}}}},
                  {"spec", spec}});
  }
};

// SURVIVAL 8
TEST_F(TwoOperators, AtOnceDoNothingTwice) {
  start_operator();
  start_operator();

  scene().make_queue(3);
  for (const char* name : {"a", "b", "c", "d"}) scene().make_job(name);
  make_schedule({{"suspend", false}});

  for (const char* name : {"a", "b", "c", "d"}) EXPECT_TRUE(becomes_accepted(name));
  EXPECT_TRUE(eventually([&] { return scene().broker_jobs().size() >= 5; }));
  EXPECT_TRUE(eventually([&] { return scene().pods().size() == 3; }));
  scene().remove(scene().pods_path(scene().pods()[0]["metadata"]["name"]));
  EXPECT_TRUE(eventually([&] { return scene().pods().size() == 3; }));
  EXPECT_EQ(scene().broker_jobs().size(), 5U);
}

// SURVIVAL 8
TEST_F(TwoOperators, TheSecondActsOnceTheFirstHasStopped) {
  auto setup = scene().setup();
  setup.is_leader_elect = true;
  OperatorProcess& first = start_operator(setup);
  scene().make_queue();
  scene().make_job("a");
  ASSERT_TRUE(becomes_accepted("a"));
  start_operator(setup);

  const auto ended = first.terminate();
  scene().make_job("b");

  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->exit_code, 0);
  EXPECT_TRUE(becomes_accepted("b"));
}

// SURVIVAL 8: who cannot renew its lease may not act any more.
TEST_F(TwoOperators, ALeaderCutOffEndsItself) {
  auto setup = scene().setup();
  setup.is_leader_elect = true;
  OperatorProcess& first = start_operator(setup);
  ASSERT_TRUE(proxy().wait_for({.method = "PUT", .path_contains = "/leases/"}, 1));

  proxy().go_down();

  const auto ended = first.wait();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->exit_code, 1);
}

// What the operator is made of, with a clock that a test moves.
class OperatorInTime : public TwoOperators {
 protected:
  class NoEvents final : public op::EventRecorder {
   public:
    void record(const op::Object&, op::EventSeverity, const std::string&,
                const std::string&) override {}
  };

  void SetUp() override {
    FaultTest::SetUp();
    if (IsSkipped()) return;
    clock_.jump_wall(SystemClock().now().wall - clock_.now().wall);
  }
  void start() {
    client_ = cluster_.make_client();
    store_.emplace(
        *client_, [this] { return cluster_.make_client(); }, system_clock_,
        kube::KubeStoreOptions{.namespaces = {scene().ns()}});
    api_.emplace(*http::parse_url(broker_->url()), http::ClientOptions{},
                 std::vector<std::string>{scene().ns()});
    controller_.emplace(*store_, *api_, pods_, events_, clock_, op::ControllerOptions{});
    controller_->start();
  }
  void stop() {
    controller_.reset();
    api_.reset();
  }
  void expect_after_five_hours(const Json& catch_up, std::size_t jobs) {
    scene().make_queue();
    make_schedule({{"catchUp", catch_up}, {"startingDeadlineSeconds", 36'000}});
    start();
    ASSERT_TRUE(eventually([&] { return scene().broker_jobs().size() == 1; }));
    ASSERT_TRUE(controller_->wait_idle(30s));
    stop();

    clock_.advance(5h + 1min);
    start();

    EXPECT_TRUE(eventually([&] { return scene().broker_jobs().size() == jobs; }));
    EXPECT_TRUE(controller_->wait_idle(30s));
    EXPECT_EQ(scene().broker_jobs().size(), jobs);
    stop();
  }

  SystemClock system_clock_;
  ManualClock clock_;
  NoEvents events_;
  op::KubePodBuilder pods_{{.worker_image = "none", .broker_url = "http://none", .tls = false}};
  std::unique_ptr<kube::ApiClient> client_;
  std::optional<kube::KubeObjectStore> store_;
  std::optional<op::HttpBrokerApi> api_;
  std::optional<op::Controller> controller_;
};

// SURVIVAL 9: one job is the trigger's.
TEST_F(OperatorInTime, HoursWithoutAnOperatorCostOneRun) {
  expect_after_five_hours({{"policy", "Last"}}, 2);
}

// SURVIVAL 9
TEST_F(OperatorInTime, HoursWithoutAnOperatorAreCaughtUpWithinBounds) {
  expect_after_five_hours({{"policy", "All"}, {"max", 3}}, 4);
}

}  // namespace
}  // namespace sluice::testing
