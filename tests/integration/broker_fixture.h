// A test with a broker of its own, and a client of its queue "q".
#pragma once

#include <gtest/gtest.h>

#include "tests/integration/api_client.h"
#include "tests/integration/broker_process.h"
#include "tests/support/temporary_folder.h"

namespace sluice::testing {

class BrokerTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(api_.put_queue(Json::object()).status, 200); }
  void TearDown() override {
    if (HasFailure()) std::cerr << broker_.process().report();
  }

  // A job that has run and died for good.
  std::string make_dead(const Json& payload) {
    const std::string id = api_.enqueue_payload(payload);
    const Json claimed = api_.claim_one("w");
    EXPECT_EQ(claimed["id"], id);
    const Json never = {
        {"error", {{"reason", "Test"}, {"message", "gave up"}, {"retry", "Never"}}}};
    EXPECT_EQ(api_.settle(claimed, "Failed", never)["status"], "ok");
    return id;
  }

  // "" while the broker is away.
  std::string state_of(const std::string& id) {
    const Json state = api_.job(id).member("state");
    return state.is_string() ? state.get<std::string>() : "";
  }

  TemporaryFolder folder_;
  BrokerProcess broker_{folder_.path() / "data"};
  ApiClient api_{broker_.url()};
};

}  // namespace sluice::testing
