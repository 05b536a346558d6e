// A disk below its reserve (SURVIVAL 21): what takes more of it is refused, what lets jobs end goes
// on.
#include <gtest/gtest.h>

#include "tests/integration/broker_fixture.h"

namespace sluice::testing {
namespace {

// More than any disk has.
const std::vector<std::string> kNoRoom = {"--disk-reserve-bytes", "1125899906842624"};

class FullDisk : public ::testing::Test {
 protected:
  // Jobs are enqueued, run and die while there is room; then the broker comes back without any.
  void SetUp() override {
    broker_.emplace(folder_.path() / "data");
    api_.emplace(broker_->url());
    ASSERT_EQ(api_->put_queue(Json::object()).status, 200);
    const Json never = {{"error", {{"reason", "Test"}, {"message", "no"}, {"retry", "Never"}}}};
    dead_ = api_->enqueue_payload("dies");
    ASSERT_EQ(api_->settle(api_->claim_one("w"), "Failed", never)["status"], "ok");
    ASSERT_FALSE(api_->enqueue_payload("runs").empty());
    running_ = api_->claim_one("w");
    for (const char* payload : {"first", "second", "third"}) {
      waiting_.push_back(api_->enqueue_payload(payload));
    }

    broker_->kill9();
    broker_.emplace(folder_.path() / "data", kNoRoom);
    api_.emplace(broker_->url());
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << broker_->process().report();
  }

  void expect_full(const Reply& reply) {
    EXPECT_EQ(reply.status, 507) << reply.text;
    EXPECT_EQ(reply.problem(), "disk-full");
  }
  void expect_full(Json settlement) { EXPECT_EQ(settlement["error"]["status"], 507) << settlement; }
  std::string state_of(const std::string& id) { return api_->job(id).member("state"); }

  TemporaryFolder folder_;
  std::optional<BrokerProcess> broker_;
  std::optional<ApiClient> api_;
  std::string dead_;
  Json running_;
  std::vector<std::string> waiting_;
};

TEST_F(FullDisk, RefusesEnqueuesAndRedrives) {
  const Json job = {{"payload", 1}};
  const Json event = {{"specversion", "1.0"}, {"id", "1"}, {"source", "/t"}, {"type", "t"}};

  expect_full(api_->enqueue(job));
  expect_full(api_->post("/jobs:batch", Json{{"jobs", {job, job}}}.dump()));
  expect_full(
      api_->post("/jobs", event.dump(), {{"Content-Type", "application/cloudevents+json"}}));
  expect_full(api_->post("/dead:redrive", Json{{"ids", {dead_}}}.dump()));

  EXPECT_EQ(api_->figures()["ready"], 3);
  EXPECT_EQ(state_of(dead_), "Dead");
}

TEST_F(FullDisk, RefusesResultsOver1KiBAndFollowUpJobsAndKeepsTheLease) {
  const Json large = {{"result", std::string(1023, 'x')}};  // and two quotes
  const Json fits = {{"result", std::string(1022, 'x')}};
  const Json follow_up = {{"enqueue", {{{"payload", 1}, {"priority", 1}}}}};

  expect_full(api_->settle(running_, "Succeeded", large));
  expect_full(api_->settle(running_, "Succeeded", follow_up));
  EXPECT_EQ(api_->extend(running_), "ok");

  EXPECT_EQ(api_->settle(running_, "Succeeded", fits)["status"], "ok");
  EXPECT_EQ(state_of(running_["id"]), "Succeeded");
}

TEST_F(FullDisk, LetsJobsRunAndEnd) {
  const Json failure = {{"error", {{"reason", "ExitCode"}, {"message", "no"}, {"exitCode", 1}}}};

  EXPECT_EQ(api_->extend(running_), "ok");
  EXPECT_EQ(api_->settle(running_, "Failed", failure)["status"], "ok");
  const Json claimed = api_->claim_one("w");
  EXPECT_EQ(claimed["id"], waiting_[0]);
  EXPECT_EQ(api_->settle(claimed, "Released")["status"], "ok");
  EXPECT_EQ(api_->send("DELETE", api_->queue_path() + "/jobs/" + waiting_[1]).status, 200);
  EXPECT_EQ(api_->post("/dead:purge", "{}").status, 200);

  EXPECT_EQ(state_of(waiting_[1]), "Cancelled");
  EXPECT_EQ(api_->job(dead_).status, 404);
}

TEST_F(FullDisk, LetsQueuesBeManaged) {
  EXPECT_EQ(api_->post(":pause", R"({"dispatch":true})").status, 200);
  EXPECT_EQ(api_->post(":resume").status, 200);
  EXPECT_EQ(api_->put_queue({{"leaseSeconds", 60}}).status, 200);
  EXPECT_EQ(api_->post("/jobs/" + waiting_[0] + ":reschedule", R"({"delaySeconds":60})").status,
            200);
  EXPECT_EQ(api_->post("/jobs/" + waiting_[0] + ":run").status, 200);
  EXPECT_EQ(api_->post("/workers/w:drain").status, 200);
}

}  // namespace
}  // namespace sluice::testing
