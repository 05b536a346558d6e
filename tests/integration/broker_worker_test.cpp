// What workers see of a real broker (BROKER.md §3): claim, extend, settle, drain.
#include <gtest/gtest.h>

#include <future>

#include "tests/integration/broker_fixture.h"

namespace sluice::testing {
namespace {

constexpr const char* kFailed = R"({"error":{"reason":"ExitCode","message":"no","exitCode":1}})";

class BrokerWorker : public BrokerTest {};

TEST_F(BrokerWorker, AClaimedJobCarriesWhatAWorkerNeeds) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  ASSERT_EQ(
      api_.post("/jobs", R"({"payload":{"n":1},"timeoutSeconds":7})", {{"traceparent", trace}})
          .status,
      202);

  Reply reply = api_.claim("w", 5);

  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(reply.body["drain"], false);
  ASSERT_EQ(reply.body["jobs"].size(), 1u);
  Json& job = reply.body["jobs"][0];
  EXPECT_EQ(job["payload"], Json({{"n", 1}}));
  EXPECT_EQ(job["attempt"], 1);
  EXPECT_EQ(job["leaseSeconds"], 30);
  EXPECT_EQ(job["timeoutSeconds"], 7);
  EXPECT_EQ(job["traceparent"], trace);
  EXPECT_TRUE(job["lease"].is_string());
  EXPECT_TRUE(job["deadline"].is_string());
  Json shown = api_.job(job["id"]).body;
  EXPECT_EQ(shown["state"], "Running");
  EXPECT_EQ(shown["worker"], "w");
}

TEST_F(BrokerWorker, AnEmptyQueueAnswersAClaimWithNothing) {
  Reply reply = api_.claim("w");

  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["jobs"], Json::array());
}

TEST_F(BrokerWorker, AWaitingClaimGetsTheNextJob) {
  ApiClient worker(broker_.url());
  auto waiting = std::async(std::launch::async, [&] { return worker.claim_one("w", 60); });

  const std::string id = api_.enqueue_payload(1);

  Json claimed = waiting.get();
  ASSERT_FALSE(claimed.is_null());
  EXPECT_EQ(claimed["id"], id);
}

TEST_F(BrokerWorker, HigherPriorityStartsFirst) {
  const std::string low = api_.enqueue({{"payload", 1}, {"priority", 1}}).body["id"];
  const std::string high = api_.enqueue({{"payload", 2}, {"priority", 9}}).body["id"];

  EXPECT_EQ(api_.claim_one("w")["id"], high);
  EXPECT_EQ(api_.claim_one("w")["id"], low);
}

TEST_F(BrokerWorker, ProgressOfAHeartbeatIsShown) {
  const std::string id = api_.enqueue_payload(1);
  Json claimed = api_.claim_one("w");

  EXPECT_EQ(api_.extend(claimed, {{"progress", {{"ratio", 0.4}, {"message", "half way"}}}}), "ok");

  Json progress = api_.job(id).body["progress"];
  EXPECT_EQ(progress["ratio"], 0.4);
  EXPECT_EQ(progress["message"], "half way");

  EXPECT_EQ(api_.extend(claimed, {{"progress", {{"message", "nearly"}}}}), "ok");
  progress = api_.job(id).body["progress"];
  EXPECT_EQ(progress["ratio"], 0.4);
  EXPECT_EQ(progress["message"], "nearly");
}

TEST_F(BrokerWorker, ARepeatedSettlementIsOkAndAnotherOneIsStale) {
  const std::string id = api_.enqueue_payload(1);
  Json claimed = api_.claim_one("w");

  EXPECT_EQ(api_.settle(claimed, "Succeeded", {{"result", 42}})["status"], "ok");
  EXPECT_EQ(api_.settle(claimed, "Succeeded", {{"result", 42}})["status"], "ok");
  EXPECT_EQ(api_.settle(claimed, "Failed", Json::parse(kFailed))["error"]["status"], 409);

  EXPECT_EQ(api_.job(id).body["result"], 42);
}

// SURVIVAL 22
TEST_F(BrokerWorker, AStaleLeaseChangesNothing) {
  const std::string id = api_.enqueue_payload(1);
  Json first = api_.claim_one("slow");
  ASSERT_EQ(api_.settle(first, "Released")["status"], "ok");
  Json second = api_.claim_one("w");
  ASSERT_EQ(second["id"], id);

  EXPECT_EQ(api_.extend(first), "lost");
  EXPECT_EQ(api_.settle(first, "Succeeded", {{"result", "stale"}})["error"]["status"], 409);

  EXPECT_EQ(api_.settle(second, "Succeeded", {{"result", "good"}})["status"], "ok");
  Json job = api_.job(id).body;
  EXPECT_EQ(job["result"], "good");
  EXPECT_EQ(job["releases"], 1);
  EXPECT_EQ(job["attempts"], 0);
}

TEST_F(BrokerWorker, OneBadSettlementDoesNotHoldUpTheOthers) {
  api_.enqueue_payload(1);
  Json claimed = api_.claim_one("w");
  Json settlements = {
      {{"id", "0193e5c1-0000-7000-8000-000000000001"}, {"lease", "x"}, {"outcome", "Succeeded"}},
      {{"id", claimed["id"]}, {"lease", claimed["lease"]}, {"outcome", "Succeeded"}}};

  Reply reply =
      api_.post("/jobs:settle", Json{{"worker", "w"}, {"settlements", settlements}}.dump());

  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(reply.body["results"][0]["error"]["status"], 404);
  EXPECT_EQ(reply.body["results"][1]["status"], "ok");
}

TEST_F(BrokerWorker, AFailedRunBacksOffAndRunsAgain) {
  ASSERT_EQ(api_.put_queue({{"retry", {{"maxAttempts", 2}}}}).status, 200);
  const std::string id = api_.enqueue_payload(1);

  Json first = api_.claim_one("w");
  ASSERT_EQ(api_.settle(first, "Failed", Json::parse(kFailed))["status"], "ok");
  Json between = api_.job(id).body;
  Json second = api_.claim_one("w", 60);
  ASSERT_EQ(second["id"], id);
  ASSERT_EQ(api_.settle(second, "Failed", Json::parse(kFailed))["status"], "ok");

  EXPECT_EQ(between["attempts"], 1);
  EXPECT_EQ(second["attempt"], 2);
  Json dead = api_.job(id).body;
  EXPECT_EQ(dead["state"], "Dead");
  EXPECT_EQ(dead["attempts"], 2);
  EXPECT_EQ(dead["error"]["reason"], "ExitCode");
  EXPECT_EQ(dead["history"].size(), 2u);
}

// SURVIVAL 23
TEST_F(BrokerWorker, AJobThatLosesItsWorkersEndsInTheDeadLetters) {
  ASSERT_EQ(api_.put_queue({{"leaseSeconds", 1}, {"retry", {{"maxLeaseLosses", 1}}}}).status, 200);
  const std::string id = api_.enqueue_payload(1);

  ASSERT_EQ(api_.claim_one("w1")["id"], id);
  ASSERT_EQ(api_.claim_one("w2", 60)["id"], id);
  Json job = api_.job(id, 60).body;

  EXPECT_EQ(job["state"], "Dead");
  EXPECT_EQ(job["leaseLosses"], 2);
  EXPECT_EQ(job["attempts"], 0);
}

TEST_F(BrokerWorker, ADrainWakesAWaitingClaim) {
  ApiClient worker(broker_.url());
  ASSERT_EQ(worker.claim("w").status, 200);
  auto waiting = std::async(std::launch::async, [&] { return worker.claim("w", 1, 60); });

  ASSERT_EQ(api_.post("/workers/w:drain", R"({"instance":"w"})").status, 200);

  Reply reply = waiting.get();
  EXPECT_EQ(reply.body["drain"], true);
  EXPECT_EQ(reply.body["jobs"], Json::array());
  Json workers = api_.queue_status().body["workers"];
  ASSERT_EQ(workers.size(), 1u);
  EXPECT_EQ(workers[0]["name"], "w");
  EXPECT_EQ(workers[0]["drainRequested"], true);
}

TEST_F(BrokerWorker, ADrainedWorkerGetsJobsAgainAfterUndrain) {
  api_.enqueue_payload(1);
  ASSERT_EQ(api_.post("/workers/w:drain", R"({"instance":"w"})").status, 200);
  EXPECT_TRUE(api_.claim_one("w").is_null());

  ASSERT_EQ(api_.post("/workers/w:undrain", R"({"instance":"w"})").status, 200);

  EXPECT_FALSE(api_.claim_one("w").is_null());
}

// SURVIVAL 23
TEST_F(BrokerWorker, ADisruptedWorkerCostsItsJobsNothing) {
  const std::string id = api_.enqueue_payload(1);
  ASSERT_EQ(api_.claim_one("w")["id"], id);

  ASSERT_EQ(api_.post("/workers/w:gone", R"({"cause":"Disruption"})").status, 200);

  Json job = api_.job(id).body;
  EXPECT_EQ(job["state"], "Ready");
  EXPECT_EQ(job["attempts"], 0);
  EXPECT_EQ(job["leaseLosses"], 0);
  EXPECT_EQ(job["releases"], 0);
}

TEST_F(BrokerWorker, ACrashedWorkerCostsALeaseLoss) {
  const std::string id = api_.enqueue_payload(1);
  ASSERT_EQ(api_.claim_one("w")["id"], id);

  ASSERT_EQ(api_.post("/workers/w:gone", R"({"cause":"Crash"})").status, 200);

  Json job = api_.job(id).body;
  EXPECT_EQ(job["state"], "Ready");
  EXPECT_EQ(job["leaseLosses"], 1);
}

// SURVIVAL 20
TEST_F(BrokerWorker, LeasesAndSettlementsSurviveKill9) {
  const std::string settled = api_.enqueue_payload(1);
  Json done = api_.claim_one("w");
  ASSERT_EQ(api_.settle(done, "Succeeded", {{"result", "kept"}})["status"], "ok");
  const std::string running = api_.enqueue_payload(2);
  Json claimed = api_.claim_one("w");
  ASSERT_EQ(claimed["id"], running);

  broker_.kill9();
  broker_.start();

  EXPECT_EQ(api_.job(settled).body["result"], "kept");
  EXPECT_EQ(api_.settle(done, "Succeeded", {{"result", "kept"}})["status"], "ok");
  EXPECT_EQ(state_of(running), "Running");
  EXPECT_EQ(api_.extend(claimed), "ok");
  EXPECT_EQ(api_.settle(claimed, "Succeeded")["status"], "ok");
  EXPECT_EQ(state_of(running), "Succeeded");
}

// Nothing is written when a delayed job becomes due, yet its claim must be found again.
TEST_F(BrokerWorker, ALeaseOfAJobThatHadToWaitSurvivesKill9) {
  const std::string id = api_.enqueue({{"payload", 1}, {"delaySeconds", 1}}).body["id"];
  Json claimed = api_.claim_one("w", 60);
  ASSERT_EQ(claimed["id"], id);

  broker_.kill9();
  broker_.start();

  EXPECT_EQ(state_of(id), "Running");
  EXPECT_TRUE(api_.claim_one("other").is_null());
  EXPECT_EQ(api_.settle(claimed, "Succeeded")["status"], "ok");
}

TEST_F(BrokerWorker, ASettlementBringsFollowUpJobs) {
  ApiClient other(broker_.url(), "other");
  ASSERT_EQ(other.put_queue(Json::object()).status, 200);
  api_.enqueue_payload(1);
  Json claimed = api_.claim_one("w");
  Json jobs = {{{"payload", "here"}}, {{"payload", "there"}, {"queue", "other"}}};

  Json result = api_.settle(claimed, "Succeeded", {{"enqueue", jobs}});
  Json again = api_.settle(claimed, "Succeeded", {{"enqueue", jobs}});

  EXPECT_EQ(result["status"], "ok") << result.dump();
  EXPECT_EQ(again["status"], "ok") << again.dump();
  EXPECT_EQ(api_.figures()["ready"], 1);
  EXPECT_EQ(api_.claim_one("w")["payload"], "here");
  EXPECT_EQ(other.claim_one("w")["payload"], "there");
}

TEST_F(BrokerWorker, AFollowUpThatCannotBeTakenLeavesTheJobLeased) {
  api_.enqueue_payload(1);
  Json claimed = api_.claim_one("w");
  Json jobs = {{{"payload", 1}, {"queue", "none"}}};

  Json result = api_.settle(claimed, "Succeeded", {{"enqueue", jobs}});

  EXPECT_EQ(result["error"]["status"], 400) << result.dump();
  EXPECT_EQ(result["error"]["field"], "enqueue[0].queue");
  EXPECT_EQ(api_.settle(claimed, "Succeeded")["status"], "ok");
}

}  // namespace
}  // namespace sluice::testing
