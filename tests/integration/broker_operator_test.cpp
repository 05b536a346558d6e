// What the operator and people see of a real broker (BROKER.md §3): queues, pauses, dead letters,
// schedules, outcomes, signals, probes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/integration/broker_fixture.h"
#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

constexpr const char* kJobUid = "0193e5c1-0000-7000-8000-00000000000a";

class BrokerOperator : public BrokerTest {
 protected:
  Reply put(ApiClient& queue, const std::string& uid, int generation) {
    Json body = {{"spec", Json::object()}, {"uid", uid}, {"generation", generation}};
    return queue.send("PUT", queue.queue_path(), body.dump());
  }
};

TEST_F(BrokerOperator, AnOlderGenerationIsAStaleSpec) {
  ApiClient queue(broker_.url(), "owned");
  ASSERT_EQ(put(queue, "u1", 2).status, 200);

  Reply stale = put(queue, "u1", 1);

  EXPECT_EQ(stale.status, 409) << stale.text;
  EXPECT_EQ(stale.problem(), "stale-spec");
  EXPECT_EQ(put(queue, "u1", 2).status, 200);
  EXPECT_EQ(queue.queue_status().body["generation"], 2);
}

TEST_F(BrokerOperator, AGenerationWithoutItsUidIsRefusedByName) {
  Reply refused = api_.send("PUT", api_.queue_path(), R"({"spec":{},"generation":3})");

  EXPECT_EQ(refused.status, 400) << refused.text;
  EXPECT_EQ(refused.member("field"), "generation");
}

TEST_F(BrokerOperator, AnotherUidWaitsUntilTheHeldOneIsLetGo) {
  ApiClient queue(broker_.url(), "owned");
  ASSERT_EQ(put(queue, "u1", 1).status, 200);
  const std::string id = queue.enqueue_payload(1);

  EXPECT_EQ(put(queue, "u2", 1).problem(), "uid-conflict");
  EXPECT_EQ(queue.send("DELETE", queue.queue_path() + "?uid=u2&jobs=retain").status, 409);
  ASSERT_EQ(queue.send("DELETE", queue.queue_path() + "?uid=u1&jobs=retain").status, 200);

  EXPECT_EQ(queue.enqueue({{"payload", 2}}).status, 404);
  EXPECT_EQ(put(queue, "u1", 2).status, 409);
  ASSERT_EQ(put(queue, "u2", 1).status, 200);
  EXPECT_EQ(queue.claim_one("w")["id"], id);
}

TEST_F(BrokerOperator, APersonsDeleteOfAQueueWithJobsMustSayWhatBecomesOfThem) {
  api_.enqueue_payload(1);

  Reply refused = api_.send("DELETE", api_.queue_path());
  Reply purged = api_.send("DELETE", api_.queue_path() + "?jobs=purge");

  EXPECT_EQ(refused.status, 409) << refused.text;
  EXPECT_EQ(refused.problem(), "queue-not-empty");
  EXPECT_EQ(purged.status, 200) << purged.text;
  EXPECT_EQ(api_.queue_status().status, 404);
}

TEST_F(BrokerOperator, ARetainedQueueLetsItsRunningJobsEnd) {
  const std::string id = api_.enqueue_payload(1);
  const std::string waiting = api_.enqueue_payload(2);
  const Json claimed = api_.claim_one("w");

  ASSERT_EQ(api_.send("DELETE", api_.queue_path() + "?jobs=retain").status, 200);
  broker_.kill9();
  broker_.start();

  EXPECT_EQ(api_.claim("w").member("drain"), true);
  EXPECT_EQ(api_.extend(claimed), "ok");
  EXPECT_EQ(api_.settle(claimed, "Succeeded", {{"result", 7}})["status"], "ok");
  ASSERT_EQ(api_.put_queue(Json::object()).status, 200);
  EXPECT_EQ(api_.job(id).member("result"), 7);
  EXPECT_EQ(api_.claim_one("w")["id"], waiting);
}

TEST_F(BrokerOperator, APurgedQueueTakesItsRunningJobsAlong) {
  const std::string id = api_.enqueue_payload(1);
  const Json claimed = api_.claim_one("w");
  ApiClient other(broker_.url());
  auto waiting = std::async(std::launch::async, [&] { return other.claim("v", 1, 60); });
  EXPECT_TRUE(eventually([&] { return api_.queue_status().body["workers"].size() == 2; }));

  ASSERT_EQ(api_.send("DELETE", api_.queue_path() + "?jobs=purge").status, 200);

  EXPECT_EQ(waiting.get().status, 404);
  EXPECT_EQ(api_.settle(claimed, "Succeeded")["error"]["status"], 404);
  ASSERT_EQ(api_.put_queue(Json::object()).status, 200);
  EXPECT_EQ(api_.extend(claimed), "lost");
  EXPECT_EQ(api_.settle(claimed, "Succeeded")["error"]["status"], 404);
  EXPECT_EQ(api_.job(id).status, 404);
  EXPECT_EQ(api_.figures()["running"], 0);
}

TEST_F(BrokerOperator, SettingsOutOfBoundsAreRefusedByName) {
  struct Case {
    Json spec;
    const char* field;
  };
  const Case cases[] = {
      {{{"leaseSeconds", 0}}, "spec.leaseSeconds"},
      {{{"rateLimit", Json::object()}}, "spec.rateLimit.limit"},
      {{{"concurrencyLimit", Json::object()}}, "spec.concurrencyLimit"},
      {{{"fairness", {{"weights", {{"a", 0}}}}}}, "spec.fairness.weights.a"},
      {{{"circuitBreaker", {{"failurePercent", 101}}}}, "spec.circuitBreaker.failurePercent"},
      {{{"backpressure", {{"resumePercent", 0}}}}, "spec.backpressure.resumePercent"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.field);
    Reply reply = api_.put_queue(c.spec);
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.body.value("field", ""), c.field);
  }
}

TEST_F(BrokerOperator, APausedQueueTakesOrStartsNothing) {
  const std::string id = api_.enqueue_payload(1);

  ASSERT_EQ(api_.post(":pause", R"({"enqueue":true,"dispatch":true})").status, 200);
  Reply refused = api_.enqueue({{"payload", 2}});
  Json none = api_.claim_one("w");
  Json paused = api_.figures()["paused"];
  ASSERT_EQ(api_.post(":resume").status, 200);

  EXPECT_EQ(refused.status, 503) << refused.text;
  EXPECT_EQ(refused.problem(), "queue-paused");
  EXPECT_TRUE(none.is_null());
  EXPECT_EQ(paused, Json({{"enqueue", true}, {"dispatch", true}}));
  EXPECT_EQ(api_.claim_one("w")["id"], id);
  EXPECT_EQ(api_.enqueue({{"payload", 2}}).status, 202);
}

// SURVIVAL 24
TEST_F(BrokerOperator, RedriveResetsTheCountersAndSaysHowManyItMoved) {
  const std::string first = make_dead(1);
  const std::string second = make_dead(2);

  Reply redriven = api_.post("/dead:redrive", Json{{"ids", {first}}}.dump());

  ASSERT_EQ(redriven.status, 202) << redriven.text;
  EXPECT_EQ(redriven.body["selected"], 1);
  EXPECT_TRUE(redriven.body["id"].is_string());
  Json job = api_.job(first).body;
  EXPECT_EQ(job["state"], "Ready");
  EXPECT_EQ(job["attempts"], 0);
  EXPECT_EQ(job["history"].size(), 1u);
  EXPECT_EQ(state_of(second), "Dead");
}

// SURVIVAL 24: a task of its own, which a restart does not end.
TEST_F(BrokerOperator, RedriveIsPacedAndGoesOnAfterARestart) {
  constexpr int kDead = 12;
  for (int i = 0; i < kDead; ++i) make_dead(i);

  Reply started = api_.post("/dead:redrive", Json{{"perSecond", 3}}.dump());
  ASSERT_EQ(started.status, 202) << started.text;
  const std::string task = started.headers.at("location");
  broker_.kill9();
  broker_.start();

  EXPECT_EQ(started.body["selected"], kDead);
  EXPECT_EQ(started.body["redriven"], 1);
  EXPECT_EQ(task, api_.queue_path() + "/redrives/" + started.body["id"].get<std::string>());
  EXPECT_EQ(api_.get(task).body["state"], "Running");
  ASSERT_TRUE(eventually([&] { return api_.get(task).member("state") == "Done"; }));
  EXPECT_EQ(api_.get(task).body["redriven"], kDead);
  EXPECT_EQ(api_.figures()["ready"], kDead);
}

TEST_F(BrokerOperator, ARedriveCanBeStopped) {
  for (int i = 0; i < 3; ++i) make_dead(i);
  Reply started = api_.post("/dead:redrive", Json{{"perSecond", 1}}.dump());
  const std::string task = started.headers.at("location");

  Reply stopped = api_.send("DELETE", task);

  ASSERT_EQ(stopped.status, 200) << stopped.text;
  EXPECT_EQ(stopped.body["state"], "Cancelled");
  EXPECT_EQ(api_.get(task).body["redriven"], stopped.body["redriven"]);
}

TEST_F(BrokerOperator, RunAndRescheduleChangeWhenAJobIsDue) {
  const std::string id = api_.enqueue({{"payload", 1}, {"delaySeconds", 3600}}).body["id"];
  const std::string job = "/jobs/" + id;

  Reply later = api_.post(job + ":reschedule", R"({"runAt":"2999-01-01T00:00:00Z"})");
  Reply now = api_.post(job + ":run");
  Json claimed = api_.claim_one("w");
  Reply running = api_.post(job + ":run");
  api_.settle(claimed, "Succeeded");
  Reply ended = api_.post(job + ":reschedule", R"({"delaySeconds":1})");

  EXPECT_EQ(later.status, 200) << later.text;
  EXPECT_EQ(later.body["state"], "Scheduled");
  EXPECT_EQ(later.body["dueAt"], "2999-01-01T00:00:00Z");
  EXPECT_EQ(now.body["state"], "Ready");
  EXPECT_EQ(claimed["id"], id);
  EXPECT_EQ(running.status, 409);
  EXPECT_EQ(ended.status, 409) << ended.text;
}

TEST_F(BrokerOperator, PurgeDropsDeadLettersForGood) {
  const std::string id = make_dead(1);
  ASSERT_EQ(api_.figures()["dead"], 1);

  Reply purged = api_.post("/dead:purge", R"({"filter":{"reason":"Test"}})");

  EXPECT_EQ(purged.status, 200) << purged.text;
  EXPECT_EQ(api_.figures()["dead"], 0);
  EXPECT_EQ(api_.job(id).status, 404);
}

// SURVIVAL 8
TEST_F(BrokerOperator, AScheduleTickFiresOnceAlsoAfterACrash) {
  Json tick = {
      {"payload", 1},
      {"schedule", {{"uid", "s1"}, {"tick", "2026-01-01T00:00:00Z"}, {"policy", "Allow"}}}};
  Reply first = api_.enqueue(tick);
  ASSERT_EQ(first.status, 202) << first.text;

  broker_.kill9();
  broker_.start();
  Reply again = api_.enqueue(tick);

  EXPECT_EQ(again.status, 200) << again.text;
  EXPECT_EQ(api_.figures()["ready"], 1);
  Json schedule = api_.get(api_.queue_path() + "/schedules/s1").body;
  EXPECT_EQ(schedule["lastTick"], "2026-01-01T00:00:00Z");
  EXPECT_EQ(schedule["running"], Json::array({first.body["id"]}));
}

TEST_F(BrokerOperator, AForbiddenTickIsSkippedWhileTheLastOneRuns) {
  Json tick = {
      {"payload", 1},
      {"schedule", {{"uid", "s1"}, {"tick", "2026-01-01T00:00:00Z"}, {"policy", "Forbid"}}}};
  ASSERT_EQ(api_.enqueue(tick).status, 202);

  tick["schedule"]["tick"] = "2026-01-01T00:01:00Z";
  Reply skipped = api_.enqueue(tick);

  EXPECT_EQ(skipped.status, 200) << skipped.text;
  EXPECT_EQ(skipped.body["skipped"], true);
  EXPECT_EQ(api_.figures()["ready"], 1);
  Json schedule = api_.get(api_.queue_path() + "/schedules/s1").body;
  EXPECT_EQ(schedule["lastTick"], "2026-01-01T00:01:00Z");
}

TEST_F(BrokerOperator, OutcomesOfJobResourcesStayUntilAcknowledged) {
  Json job = {{"payload", 1},
              {"id", kJobUid},
              {"source", {{"kind", "Job"}, {"uid", kJobUid}, {"name", "j"}}},
              {"ttlSecondsAfterFinished", 0}};
  ASSERT_EQ(api_.enqueue(job).body["id"], kJobUid);
  EXPECT_EQ(api_.enqueue(job).status, 200);

  Reply accepted = api_.get("/v1/outcomes?waitSeconds=30");
  ASSERT_EQ(accepted.body["jobs"].size(), 1u) << accepted.text;
  EXPECT_EQ(accepted.body["jobs"][0]["state"], "Ready");
  ASSERT_EQ(api_.settle(api_.claim_one("w"), "Succeeded", {{"result", "done"}})["status"], "ok");
  broker_.kill9();
  broker_.start();

  // A cursor of an earlier broker starts anew.
  const std::string cursor = accepted.body["cursor"];
  Reply ended = api_.get("/v1/outcomes?waitSeconds=30&cursor=" + cursor);
  ASSERT_EQ(ended.body["jobs"].size(), 1u) << ended.text;
  EXPECT_EQ(ended.body["jobs"][0]["state"], "Succeeded");
  EXPECT_EQ(ended.body["jobs"][0]["result"], "done");
  EXPECT_EQ(ended.body["jobs"][0]["source"]["uid"], kJobUid);
  EXPECT_EQ(api_.jobs(std::string("source=Job&sourceUid=") + kJobUid).size(), 1u);

  ASSERT_EQ(api_.post("/jobs:ack", Json{{"ids", {kJobUid}}}.dump()).status, 200);
  EXPECT_EQ(api_.get("/v1/outcomes").body["jobs"], Json::array());
  EXPECT_EQ(api_.jobs(std::string("source=Job&sourceUid=") + kJobUid).size(), 0u);
}

TEST_F(BrokerOperator, SignalsBeginWithEveryQueue) {
  ApiClient other(broker_.url(), "other");
  ASSERT_EQ(other.put_queue(Json::object()).status, 200);
  api_.enqueue_payload(1);

  const std::vector<Json> lines = api_.signals(2);

  ASSERT_EQ(lines.size(), 2u);
  std::map<std::string, Json> figures;
  for (const Json& line : lines) {
    EXPECT_EQ(line["namespace"], "default");
    EXPECT_TRUE(line["workers"].is_array());
    figures[line["queue"]] = line["figures"];
  }
  EXPECT_EQ(figures["q"]["ready"], 1);
  EXPECT_EQ(figures["other"]["ready"], 0);
}

TEST_F(BrokerOperator, AllQueuesAreListedWithTheirFigures) {
  ASSERT_EQ(api_.put_queue({{"timeoutSeconds", 7}}).status, 200);
  api_.enqueue_payload(1);

  Reply reply = api_.get("/v1/queues");

  ASSERT_EQ(reply.body["queues"].size(), 1u) << reply.text;
  Json& queue = reply.body["queues"][0];
  EXPECT_EQ(queue["queue"], "q");
  EXPECT_EQ(queue["figures"]["backlog"], 1);
  EXPECT_TRUE(queue["figures"]["oldestReadyTime"].is_string());
  EXPECT_EQ(queue["spec"]["timeoutSeconds"], 7);
}

TEST_F(BrokerOperator, EachEndIsCountedOnce) {
  const auto total = [&](const std::string& series) {
    const std::string text = api_.get("/metrics").text;
    const auto at = text.find(series + " ");
    return at == std::string::npos ? "" : text.substr(at + series.size() + 1, 2);
  };
  const std::string finished = R"(sluice_jobs_finished_total{namespace="default",queue="q",state=)";
  api_.enqueue_payload(1);
  Json claimed = api_.claim_one("w");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(api_.settle(claimed, "Succeeded")["status"], "ok");
  const std::string waiting = api_.enqueue_payload(2);
  ASSERT_EQ(api_.send("DELETE", api_.queue_path() + "/jobs/" + waiting).status, 200);

  EXPECT_EQ(total(finished + "\"Succeeded\"}"), "1\n");
  EXPECT_EQ(total(finished + "\"Cancelled\"}"), "1\n");
  EXPECT_EQ(total(finished + "\"Dead\"}"), "0\n");
}

TEST_F(BrokerOperator, ProbesMetricsAndDescriptionAreServed) {
  api_.enqueue_payload(1);

  EXPECT_EQ(api_.get("/healthz").status, 200);
  EXPECT_EQ(api_.get("/readyz").status, 200);
  Reply metrics = api_.get("/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.text, HasSubstr("# TYPE sluice_"));
  EXPECT_THAT(metrics.text, HasSubstr(R"(queue="q")"));
  Reply description = api_.get("/openapi.json");
  EXPECT_EQ(description.status, 200);
  const std::string enqueue = "/v1/namespaces/{namespace}/queues/{queue}/jobs";
  EXPECT_TRUE(description.body["paths"].contains(enqueue)) << description.text.substr(0, 200);
}

}  // namespace
}  // namespace sluice::testing
