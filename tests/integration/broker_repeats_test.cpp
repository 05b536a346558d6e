// What a real broker answers when something comes again, comes late, or asks for what there is not
// (BROKER.md §1 and §3): no answer is made up, and nothing is lost with a queue that was let go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/integration/broker_fixture.h"
#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

Json tick_at(const std::string& time) {
  return {{"payload", 1}, {"schedule", {{"uid", "s1"}, {"tick", time}, {"policy", "Forbid"}}}};
}

class BrokerRepeats : public BrokerTest {
 protected:
  std::string run_one(const Json& job) {
    const std::string id = api_.enqueue(job).member("id");
    EXPECT_EQ(api_.settle(api_.claim_one("w"), "Succeeded", {{"result", 42}})["status"], "ok");
    return id;
  }
};

TEST_F(BrokerRepeats, ARetainedQueueKeepsFinishedJobsAndKeysForTheNextOne) {
  const Json job = {{"payload", 1}, {"idempotencyKey", "once"}};
  const std::string id = run_one(job);

  ASSERT_EQ(api_.send("DELETE", api_.queue_path() + "?jobs=retain").status, 200);
  EXPECT_EQ(api_.job(id).status, 404);
  ASSERT_EQ(api_.put_queue(Json::object()).status, 200);

  EXPECT_EQ(api_.job(id).member("result"), 42);
  Reply again = api_.enqueue(job);
  EXPECT_EQ(again.status, 200) << again.text;
  EXPECT_EQ(again.member("id"), id);
}

TEST_F(BrokerRepeats, ARetainedQueuesJobsCanBeRead) {
  const std::string id = api_.enqueue_payload(1);

  ASSERT_EQ(api_.send("DELETE", api_.queue_path() + "?jobs=retain").status, 200);

  EXPECT_EQ(state_of(id), "Ready");
  EXPECT_EQ(api_.jobs("limit=10").size(), 1u);
  EXPECT_EQ(api_.enqueue({{"payload", 2}}).status, 404);
}

TEST_F(BrokerRepeats, AnOldTickIsAnsweredWithItsJobOrAsSkipped) {
  const Json id = api_.enqueue(tick_at("2026-01-01T00:00:00Z")).member("id");
  ASSERT_EQ(api_.enqueue(tick_at("2026-01-01T00:01:00Z")).member("skipped"), true);

  Reply skipped_again = api_.enqueue(tick_at("2026-01-01T00:01:00Z"));
  Reply first_again = api_.enqueue(tick_at("2026-01-01T00:00:00Z"));

  EXPECT_EQ(skipped_again.status, 200);
  EXPECT_EQ(skipped_again.body, Json({{"skipped", true}}));
  EXPECT_EQ(first_again.member("id"), id);
  EXPECT_EQ(first_again.member("state"), "Ready");

  api_.settle(api_.claim_one("w"), "Succeeded");
  EXPECT_EQ(api_.enqueue(tick_at("2026-01-01T00:00:00Z")).body, Json({{"skipped", true}}));
}

TEST_F(BrokerRepeats, AKeyWhoseRecordIsGoneIsAnsweredWithoutAState) {
  const Json job = {{"payload", 1}, {"idempotencyKey", "once"}};
  const Json id = api_.enqueue(job).member("id");
  const Json never = {{"error", {{"reason", "Test"}, {"message", "no"}, {"retry", "Never"}}}};
  ASSERT_EQ(api_.settle(api_.claim_one("w"), "Failed", never)["status"], "ok");
  ASSERT_EQ(api_.enqueue(job).member("state"), "Dead");

  ASSERT_EQ(api_.post("/dead:purge").status, 200);

  Reply again = api_.enqueue(job);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body, Json({{"id", id}}));
  ASSERT_EQ(api_.enqueue({{"payload", 2}}).status, 202);  // in a later commit, which forgets
  EXPECT_EQ(api_.enqueue(job).body, Json({{"id", id}}));
}

TEST_F(BrokerRepeats, AKeyMakesANewJobOnceItAndItsRecordAreOver) {
  ASSERT_EQ(api_.put_queue({{"resultTTLSeconds", 1}, {"idempotencySeconds", 1}}).status, 200);
  const Json job = {{"payload", 1}, {"idempotencyKey", "once"}};
  const std::string id = run_one(job);

  EXPECT_TRUE(eventually([&] { return api_.job(id).status == 404; }));
  Reply again;
  EXPECT_TRUE(eventually([&] { return (again = api_.enqueue(job)).status == 202; })) << again.text;
  EXPECT_NE(again.member("id"), id);
}

TEST_F(BrokerRepeats, AKeyOutlivesItsRecordForIdempotencySeconds) {
  ASSERT_EQ(api_.put_queue({{"resultTTLSeconds", 1}}).status, 200);
  const Json job = {{"payload", 1}, {"idempotencyKey", "once"}};
  const std::string id = run_one(job);
  ASSERT_TRUE(eventually([&] { return api_.job(id).status == 404; }));

  broker_.kill9();
  broker_.start();

  EXPECT_EQ(api_.enqueue(job).body, Json({{"id", id}}));
}

TEST_F(BrokerRepeats, AJobsOwnTimeToLiveWinsOverItsQueues) {
  ASSERT_EQ(api_.put_queue({{"resultTTLSeconds", 0}}).status, 200);
  const std::string kept = run_one({{"payload", 1}, {"ttlSecondsAfterFinished", 3600}});
  const std::string dropped = run_one({{"payload", 2}});
  ASSERT_EQ(api_.put_queue({{"resultTTLSeconds", 3600}}).status, 200);
  const std::string brief = run_one({{"payload", 3}, {"ttlSecondsAfterFinished", 1}});

  EXPECT_EQ(api_.job(dropped).status, 404);
  EXPECT_TRUE(eventually([&] { return api_.job(brief).status == 404; }));
  EXPECT_EQ(api_.job(kept).member("result"), 42);
}

TEST_F(BrokerRepeats, WhoWaitsForAJobSeesItsEndThoughResultsAreNotKept) {
  ASSERT_EQ(api_.put_queue({{"resultTTLSeconds", 0}}).status, 200);

  // Again when the settlement was faster than the wait, which nothing outside can see.
  Reply seen;
  for (int tries = 0; tries < 10 && seen.status != 200; ++tries) {
    const std::string id = api_.enqueue_payload(1);
    const Json claimed = api_.claim_one("w");
    auto waiting = std::async(std::launch::async, [&] { return api_.job(id, 30); });
    (void)waiting.wait_for(std::chrono::milliseconds{100 * (tries + 1)});
    api_.settle(claimed, "Succeeded", {{"result", 42}});
    seen = waiting.get();
  }

  EXPECT_EQ(seen.status, 200) << seen.text;
  EXPECT_EQ(seen.member("state"), "Succeeded");
}

TEST_F(BrokerRepeats, ALongProgressMessageIsCutAndTheLeaseKept) {
  api_.enqueue_payload(1);
  const Json claimed = api_.claim_one("w");
  const Json report = {{"progress", {{"ratio", 0.5}, {"message", std::string(299, 'x') + "ü"}}}};

  EXPECT_EQ(api_.extend(claimed, report), "ok");

  const Json progress = api_.job(claimed["id"]).member("progress");
  EXPECT_EQ(progress["message"].get<std::string>().size(), 256u);
}

TEST_F(BrokerRepeats, ASettlementWithoutALeaseIsRefusedByName) {
  const std::string id = api_.enqueue_payload(1);
  const Json one = {{"id", id}, {"outcome", "Succeeded"}};
  const Json body = {{"worker", "w"}, {"settlements", Json::array({one})}};

  Json error = api_.post("/jobs:settle", body.dump()).body["results"][0]["error"];

  EXPECT_EQ(error["status"], 400);
  EXPECT_EQ(error["field"], "lease");
}

// SURVIVAL 27. A filter in the wrong place must not become "all of them".
TEST_F(BrokerRepeats, ParametersThatACallDoesNotTakeAreRefusedByName) {
  make_dead(1);
  const std::pair<const char*, std::string> calls[] = {
      {"POST", api_.queue_path() + "/dead:purge?reason=A"},
      {"POST", api_.queue_path() + "/dead:redrive?reason=A"},
      {"POST", api_.queue_path() + ":resume?reason=A"},
      {"DELETE", api_.queue_path() + "/jobs/0193e5c1-0000-7000-8000-00000000000a?reason=A"},
      {"GET", api_.queue_path() + "?reason=A"},
      {"GET", "/v1/queues?reason=A"},
      {"GET", "/v1/signals?reason=A"}};

  for (const auto& [method, target] : calls) {
    SCOPED_TRACE(target);
    Reply refused = api_.send(method, target);
    EXPECT_EQ(refused.status, 400) << refused.text;
    EXPECT_EQ(refused.member("field"), "reason");
  }
  EXPECT_EQ(api_.figures()["dead"], 1);
}

}  // namespace
}  // namespace sluice::testing
