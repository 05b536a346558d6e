// The broker as a process: where it listens, what it locks, how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <future>

#include "tests/integration/broker_fixture.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

class BrokerLifecycle : public BrokerTest {};

TEST_F(BrokerLifecycle, OnlyLoopbackHostNamesAreServed) {
  Reply refused = api_.send("GET", "/v1/queues", "", {{"Host", "rebound.example"}});
  Reply served = api_.send("GET", "/v1/queues", "", {{"Host", "localhost:80"}});

  EXPECT_EQ(refused.status, 403) << refused.text;
  EXPECT_EQ(served.status, 200) << served.text;
}

TEST_F(BrokerLifecycle, ItDoesNotListenBeyondLoopbackWithoutAuthentication) {
  ChildProcess open(BrokerProcess::command("0.0.0.0:0", folder_.path() / "other"));

  const auto end = open.wait();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 2) << open.report();
  EXPECT_THAT(open.errors(), HasSubstr("loopback"));
  EXPECT_EQ(open.output(), "");
}

TEST_F(BrokerLifecycle, TheDataFolderBelongsToOneBroker) {
  ChildProcess second(BrokerProcess::command("127.0.0.1:0", folder_.path() / "data"));

  const auto end = second.wait();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 1) << second.report();
  EXPECT_THAT(second.errors(), HasSubstr((folder_.path() / "data").string()));
  EXPECT_EQ(api_.enqueue({{"payload", 1}}).status, 202);
}

// SURVIVAL 28
TEST_F(BrokerLifecycle, SigtermAnswersWhoWaitsAndExits0) {
  const std::string id = api_.enqueue_payload(1);
  ASSERT_EQ(api_.claim_one("busy")["id"], id);
  ApiClient worker(broker_.url());
  auto waiting = std::async(std::launch::async, [&] { return worker.claim("idle", 1, 60); });
  ASSERT_TRUE(eventually([&] { return api_.queue_status().body["workers"].size() == 2; }));

  const auto end = broker_.terminate();

  Reply reply = waiting.get();
  EXPECT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(reply.body["jobs"], Json::array());
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0);
  EXPECT_EQ(api_.get("/healthz").status, 0);
  broker_.start();
  EXPECT_EQ(state_of(id), "Running");
}

TEST_F(BrokerLifecycle, NoPayloadOrResultIsLogged) {
  api_.enqueue_payload("pay-secret");
  api_.post("/jobs", R"({"payload":"pay-secret","colour":1})");
  api_.settle(api_.claim_one("w"), "Succeeded", {{"result", "result-secret"}});

  ASSERT_TRUE(broker_.terminate());

  EXPECT_THAT(broker_.process().report(), Not(HasSubstr("-secret")));
}

}  // namespace
}  // namespace sluice::testing
