#include "operator/kube/patient_calls.h"

#include <gtest/gtest.h>

#include "tests/unit/operator/kube/scripted_api_client.h"

namespace sluice::kube {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

class PatientCallsTest : public ::testing::Test {
 protected:
  Script script_;
  std::unique_ptr<ApiClient> client_ = script_.make_client();
  PatientCalls calls_{*client_, {.wait_min = microseconds{1}, .wait_max = microseconds{2}}};
};

// SURVIVAL 5.
TEST_F(PatientCallsTest, OverloadedServerIsAskedAgain) {
  script_.answer(429, "", seconds{0}).answer(500, "").answer(503, "").answer(200, "done");

  const auto body = calls_.call({.path = "/x"});

  ASSERT_TRUE(body);
  EXPECT_EQ(*body, "done");
}

TEST_F(PatientCallsTest, GivesUpAfterItsTriesWithTheServersMessage) {
  for (int i = 0; i < 9; ++i) script_.answer(503, status_json(503, "Unavailable", "rolling"));

  const auto body = calls_.call({.path = "/x"});

  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(body.error().message, "rolling");
  EXPECT_EQ(script_.requests().size(), 4u);
}

TEST_F(PatientCallsTest, LongRetryAfterIsLeftToTheCaller) {
  script_.answer(429, "", seconds{3600});

  EXPECT_FALSE(calls_.call({.path = "/x"}));
  EXPECT_EQ(script_.requests().size(), 1u);
}

TEST_F(PatientCallsTest, RefusalsAndBrokenConnectionsAreNotTriedAgain) {
  script_.answer(409, "").unreachable().answer(500, "etcdserver: request is too large");
  // The words of etcd come as the message of a Status object; here there is none.
  script_.answer(500, status_json(500, "", "etcdserver: request is too large"));

  EXPECT_EQ(calls_.call({.path = "/x"}).error().code, ErrorCode::kConflict);
  EXPECT_EQ(calls_.call({.path = "/x"}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(calls_.call({.path = "/x"}).error().code, ErrorCode::kTooLarge);
}

TEST_F(PatientCallsTest, EndedOnesDoNotWait) {
  script_.answer(503, "", seconds{1});
  calls_.end();

  EXPECT_FALSE(calls_.call({.path = "/x"}));
  EXPECT_EQ(script_.requests().size(), 1u);
}

}  // namespace
}  // namespace sluice::kube
