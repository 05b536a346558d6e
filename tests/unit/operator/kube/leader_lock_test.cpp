#include "operator/kube/leader_lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "tests/support/manual_clock.h"
#include "tests/unit/operator/kube/scripted_api_client.h"

namespace sluice::kube {
namespace {

using nlohmann::json;
using std::chrono::seconds;

std::string lease_json(const std::string& holder, int version) {
  return R"({"metadata":{"name":"sluice-operator","labels":{"x":"y"},"resourceVersion":")" +
         std::to_string(version) + R"("},"spec":{"holderIdentity":")" + holder +
         R"(","leaseDurationSeconds":15,"leaseTransitions":2,"renewTime":"r","acquireTime":"a"}})";
}

class LeaderLockTest : public ::testing::Test {
 protected:
  std::unique_ptr<LeaderLock> make(seconds retry = seconds{0}) {
    return std::make_unique<LeaderLock>(
        *client_, clock_,
        LeaderLockOptions{.namespace_name = "ns", .identity = "me", .times = {.retry = retry}},
        [this] { is_lost_ = true; });
  }
  json body(std::size_t request) { return json::parse(script_.requests().at(request).body); }

  testing::ManualClock clock_;
  Script script_;
  std::unique_ptr<ApiClient> client_ = script_.make_client();
  std::atomic<bool> is_lost_{false};
};

TEST_F(LeaderLockTest, MakesTheLeaseThatIsMissingAndReleasesItAtTheEnd) {
  script_.answer(404, "").answer(201, lease_json("me", 7)).answer(200, lease_json("", 8));
  auto lock = make(seconds{3600});

  ASSERT_TRUE(lock->acquire());
  lock->release();

  const auto requests = script_.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].path, "/apis/coordination.k8s.io/v1/namespaces/ns/leases/sluice-operator");
  EXPECT_EQ(requests[1].method, "POST");
  EXPECT_EQ(body(1).at("spec").at("holderIdentity"), "me");
  EXPECT_EQ(requests[2].method, "PUT");
  EXPECT_EQ(body(2).at("spec").at("holderIdentity"), "");
  EXPECT_EQ(body(2).at("metadata").at("resourceVersion"), "7");
  EXPECT_FALSE(is_lost_);
}

TEST_F(LeaderLockTest, WaitsWhileAnotherLeadsAndTakesWhatItReleases) {
  script_.answer(200, lease_json("other", 5))
      .answer(503, "")
      .answer(200, lease_json("other", 6))
      .answer(200, lease_json("", 7))
      .answer(409, status_json(409, "Conflict", "changed"))
      .answer(200, lease_json("", 8))
      .answer(200, lease_json("me", 9));
  auto lock = make();

  ASSERT_TRUE(lock->acquire());

  EXPECT_EQ(body(6).at("metadata").at("resourceVersion"), "8");
  EXPECT_EQ(body(6).at("metadata").at("labels").at("x"), "y");
  EXPECT_EQ(body(6).at("spec").at("leaseTransitions"), 3);
  client_->cancel();
}

TEST_F(LeaderLockTest, LeaderThatCannotRenewSaysSoBeforeItsLeaseEnds) {
  script_.answer(404, "").answer(201, lease_json("me", 1)).answer(500, "");
  auto lock = make();
  ASSERT_TRUE(lock->acquire());
  script_.wait_for_requests(4);

  clock_.advance(seconds{10});
  client_->cancel();
  lock->release();

  EXPECT_TRUE(is_lost_);
}

TEST_F(LeaderLockTest, LeaderThatFindsAnotherInItsPlaceSaysSo) {
  script_.answer(404, "")
      .answer(201, lease_json("me", 1))
      .answer(409, status_json(409, "Conflict", "changed"))
      .answer(200, lease_json("other", 3));
  auto lock = make();
  ASSERT_TRUE(lock->acquire());

  script_.wait_for_requests(4);
  lock->release();

  EXPECT_TRUE(is_lost_);
  EXPECT_EQ(script_.requests().size(), 4u);
}

TEST_F(LeaderLockTest, StopEndsTheWaitForTheLead) {
  auto lock = make(seconds{3600});
  lock->stop();

  EXPECT_FALSE(lock->acquire());
}

}  // namespace
}  // namespace sluice::kube
