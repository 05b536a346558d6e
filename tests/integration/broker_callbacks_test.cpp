// Callbacks: what a receiver gets, and what none gets.
#include <gtest/gtest.h>

#include <fstream>
#include <mutex>

#include "tests/integration/api_client.h"
#include "tests/integration/broker_process.h"
#include "tests/support/eventually.h"
#include "tests/support/loopback_server.h"
#include "tests/support/temporary_folder.h"

namespace sluice::testing {
namespace {

constexpr const char* kDeliveries = "sluice-callbacks";

// Keeps what was posted to it, and answers as it is told to.
class Receiver {
 public:
  void answer(int status) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
  }
  std::string url(const std::string& path = "/in") const { return server_.url() + path; }
  int connections() const { return server_.connections(); }
  std::vector<ReceivedRequest> received() const {
    const std::scoped_lock lock(mutex_);
    return received_;
  }
  // The first `count` requests.
  std::vector<ReceivedRequest> wait_for(std::size_t count) {
    EXPECT_TRUE(eventually([&] { return received().size() >= count; }));
    return received();
  }

 private:
  void serve(LoopbackPeer& peer) {
    ReceivedRequest request;
    while (peer.read_request(request)) {
      int status = 0;
      {
        const std::scoped_lock lock(mutex_);
        received_.push_back(request);
        status = status_;
      }
      if (!peer.reply(status, "{}")) return;
    }
  }

  mutable std::mutex mutex_;
  std::vector<ReceivedRequest> received_;
  int status_ = 200;
  LoopbackServer server_{[this](LoopbackPeer& peer, int) { serve(peer); }};
};

class CallbackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_.path() / "secrets");
    std::ofstream(folder_.path() / "secrets" / "default.hook") << "whsec_c2VjcmV0\n";
    start({"--callback-allow", "127.0.0.0/8", "--callback-secrets",
           (folder_.path() / "secrets").string()});
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << broker_->process().report();
  }

  void start(std::vector<std::string> options) {
    broker_.emplace(folder_.path() / ("data-" + std::to_string(++brokers_)), std::move(options));
    api_.emplace(broker_->url());
    deliveries_.emplace(broker_->url(), kDeliveries);
    ASSERT_EQ(api_->put_queue(Json::object()).status, 200);
  }

  // A job that has succeeded.
  std::string run_job(const Json& callback) {
    const Reply enqueued = api_->enqueue({{"payload", 1}, {"callback", callback}});
    EXPECT_EQ(enqueued.status, 202) << enqueued.text;
    const Json claimed = api_->claim_one("w");
    EXPECT_EQ(api_->settle(claimed, "Succeeded", {{"result", {{"n", 7}}}})["status"], "ok");
    return claimed.value("id", "");
  }
  std::vector<Json> deliveries(const std::string& state) {
    return deliveries_->jobs("state=" + state);
  }
  Json wait_for_dead() {
    std::vector<Json> dead;
    EXPECT_TRUE(eventually([&] { return !(dead = deliveries("Dead")).empty(); }));
    return dead.empty() ? Json() : dead.front();
  }

  TemporaryFolder folder_;
  Receiver receiver_;
  int brokers_ = 0;
  std::optional<BrokerProcess> broker_;
  std::optional<ApiClient> api_;
  std::optional<ApiClient> deliveries_;
};

TEST_F(CallbackTest, TellsHowAJobEndedAndSignsIt) {
  const std::string id = run_job({{"url", receiver_.url("/in?a=1")}, {"secretName", "hook"}});

  ReceivedRequest request = receiver_.wait_for(1).at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/in?a=1");
  EXPECT_EQ(request.headers["content-type"], "application/json");
  EXPECT_FALSE(request.headers["webhook-id"].empty());
  EXPECT_FALSE(request.headers["webhook-timestamp"].empty());
  EXPECT_TRUE(request.headers["webhook-signature"].starts_with("v1,"));
  const Json event = Json::parse(request.body);
  EXPECT_EQ(event["type"], "job.succeeded");
  EXPECT_EQ(event["data"]["id"], id);
  EXPECT_EQ(event["data"]["result"], Json({{"n", 7}}));
  EXPECT_TRUE(eventually([&] { return deliveries("Succeeded").size() == 1; }));
}

// SURVIVAL 30: down, then back.
TEST_F(CallbackTest, IsTriedAgainUnderTheSameId) {
  receiver_.answer(500);
  run_job({{"url", receiver_.url()}});
  receiver_.wait_for(1);
  receiver_.answer(200);

  auto received = receiver_.wait_for(2);

  EXPECT_EQ(received[0].headers["webhook-id"], received[1].headers["webhook-id"]);
  EXPECT_EQ(received[0].body, received[1].body);
}

// SURVIVAL 30
TEST_F(CallbackTest, ARedirectIsAFailureAndNotFollowed) {
  receiver_.answer(302);
  run_job({{"url", receiver_.url()}});

  std::vector<Json> waiting;
  ASSERT_TRUE(eventually([&] { return !(waiting = deliveries("Scheduled")).empty(); }));
  EXPECT_EQ(waiting[0]["error"]["message"],
            "the receiver answered 302; redirects are not followed");
}

TEST_F(CallbackTest, AfterA410NothingMoreGoesToThatUrl) {
  receiver_.answer(410);
  run_job({{"url", receiver_.url()}});
  EXPECT_EQ(wait_for_dead()["error"]["reason"], "CallbackGone");

  run_job({{"url", receiver_.url()}});
  EXPECT_TRUE(eventually([&] { return deliveries("Dead").size() == 2; }));
  EXPECT_EQ(receiver_.received().size(), 1u);
}

// SURVIVAL 30
TEST_F(CallbackTest, WhatIsNotGloballyRoutableIsNotReachedUnlessAllowed) {
  start({});
  run_job({{"url", receiver_.url()}});

  const Json dead = wait_for_dead();
  EXPECT_EQ(dead["error"]["reason"], "CallbackNotAllowed");
  EXPECT_EQ(receiver_.connections(), 0);
}

TEST_F(CallbackTest, ASecretThatIsMissingIsWaitedFor) {
  run_job({{"url", receiver_.url()}, {"secretName", "later"}});
  std::vector<Json> waiting;
  ASSERT_TRUE(eventually([&] { return !(waiting = deliveries("Scheduled")).empty(); }));
  EXPECT_EQ(waiting[0]["error"]["reason"], "CallbackSecretMissing");

  std::ofstream(folder_.path() / "secrets" / "default.later") << "any bytes\n";
  const std::string id = waiting[0]["id"];
  EXPECT_EQ(deliveries_->post("/jobs/" + id + ":run").status, 200);
  EXPECT_EQ(receiver_.wait_for(1).size(), 1u);
}

// SURVIVAL 20
TEST_F(CallbackTest, IsDeliveredAfterAKill) {
  receiver_.answer(503);
  run_job({{"url", receiver_.url()}});
  receiver_.wait_for(1);
  broker_->kill9();
  receiver_.answer(200);
  broker_->start();

  EXPECT_TRUE(eventually([&] { return deliveries("Succeeded").size() == 1; }));
}

TEST_F(CallbackTest, TheQueueOfDeliveriesIsTheBrokersOwn) {
  run_job({{"url", receiver_.url()}});
  receiver_.wait_for(1);

  EXPECT_EQ(deliveries_->enqueue({{"payload", 1}}).status, 400);
  EXPECT_EQ(deliveries_->claim("w").status, 400);
  EXPECT_EQ(deliveries_->put_queue(Json::object()).status, 400);
  EXPECT_EQ(deliveries_->post(":pause", R"({"dispatch":true})").status, 200);
  run_job({{"url", receiver_.url()}});
  EXPECT_EQ(deliveries_->figures()["ready"], 1);
  EXPECT_EQ(deliveries_->post(":resume").status, 200);
  receiver_.wait_for(2);
}

}  // namespace
}  // namespace sluice::testing
