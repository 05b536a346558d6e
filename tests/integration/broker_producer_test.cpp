// What producers see of a real broker (BROKER.md §3): enqueue, look, list, cancel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>

#include "tests/integration/broker_fixture.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class BrokerProducer : public BrokerTest {};

TEST_F(BrokerProducer, EnqueueAnswers202AndWhereTheJobIs) {
  Reply reply = api_.enqueue({{"payload", {{"to", "ann"}}}});

  ASSERT_EQ(reply.status, 202) << reply.text;
  const std::string id = reply.body["id"];
  EXPECT_EQ(reply.body["state"], "Ready");
  EXPECT_EQ(reply.headers.at("location"), api_.queue_path() + "/jobs/" + id);
  Json job = api_.get(reply.headers.at("location")).body;
  EXPECT_EQ(job["id"], id);
  EXPECT_EQ(job["namespace"], "default");
  EXPECT_EQ(job["queue"], "q");
  EXPECT_EQ(job["state"], "Ready");
  EXPECT_EQ(job["attempts"], 0);
  EXPECT_EQ(job["priority"], 5);
  EXPECT_FALSE(job.contains("payload"));
  EXPECT_FALSE(job.contains("result"));
}

TEST_F(BrokerProducer, PayloadIsKeptAsTheBytesThatCame) {
  const std::string payload = R"({"a": 1.0e2 ,"ü":"\u00fc"})";

  Reply reply = api_.post("/jobs", R"({ "payload" : )" + payload + " }");

  ASSERT_EQ(reply.status, 202) << reply.text;
  const std::string id = reply.body["id"];
  const std::string member = R"("payload":)" + payload;
  EXPECT_THAT(api_.get(api_.queue_path() + "/jobs/" + id + "?payload=true").text,
              HasSubstr(member));
  EXPECT_THAT(api_.claim("w").text, HasSubstr(member));
}

TEST_F(BrokerProducer, BatchTakesTheGoodElementsAndNamesWhatIsWrongWithTheBadOne) {
  Json jobs = {{{"payload", 1}}, {{"priority", 3}}, {{"payload", 2}, {"priority", 9}}};

  Reply reply = api_.post("/jobs:batch", Json{{"jobs", jobs}}.dump());

  ASSERT_EQ(reply.status, 202) << reply.text;
  Json& results = reply.body["results"];
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(state_of(results[0]["id"]), "Ready");
  EXPECT_EQ(results[1]["error"]["status"], 400);
  EXPECT_EQ(results[1]["error"]["field"], "payload");
  EXPECT_EQ(state_of(results[2]["id"]), "Ready");
  EXPECT_EQ(api_.figures()["ready"], 2);
}

TEST_F(BrokerProducer, UnknownMembersAreRefusedByName) {
  struct Case {
    const char* below;
    Json body;
    const char* field;
  };
  const Case cases[] = {
      {"/jobs", {{"payload", 1}, {"colour", "red"}}, "colour"},
      {"/jobs", {{"payload", 1}, {"tenant", ""}}, "tenant"},
      {"/jobs", {{"payload", 1}, {"key", ""}}, "key"},
      {"/jobs", {{"payload", 1}, {"dependsOn", "a"}}, "dependsOn"},
      {"/jobs", {{"payload", 1}, {"callback", {{"url", "mail:a"}}}}, "callback.url"},
      {"/jobs", {{"payload", 1}, {"priority", 10}}, "priority"},
      {"/jobs", {{"payload", 1}, {"retry", {{"maxAttempts", 0}}}}, "retry.maxAttempts"},
      {"/jobs", {{"priority", 1}}, "payload"},
      {"/jobs:claim", {{"worker", "w"}, {"colour", 1}}, "colour"},
      {"/jobs:claim", {{"max", 1}}, "worker"},
      {"/dead:purge", {{"ids", Json::array()}, {"perSecond", 5}}, "perSecond"},
      {":pause", {{"both", true}}, "both"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.below) + " " + c.body.dump());
    Reply reply = api_.post(c.below, c.body.dump());
    EXPECT_EQ(reply.status, 400) << reply.text;
    EXPECT_EQ(reply.headers.at("content-type"), "application/problem+json");
    EXPECT_EQ(reply.body.value("field", ""), c.field);
    EXPECT_THAT(reply.body.value("detail", ""), HasSubstr(c.field));
  }
}

TEST_F(BrokerProducer, UnknownMembersAreIgnoredBetweenOurOwnParts) {
  Reply reply = api_.post("/jobs", R"({"payload":1,"newer":true})", {{"Sluice-Protocol", "1"}});

  EXPECT_EQ(reply.status, 202) << reply.text;
}

// SURVIVAL 27
TEST_F(BrokerProducer, MalformedJsonIs400) {
  const std::pair<const char*, std::string> cases[] = {
      {"cut short", R"({"payload":)"},
      {"lone surrogate", R"({"payload":"\ud800"})"},
      {"infinite number", R"({"payload":1e400})"},
      {"not a number", R"({"payload":nan})"},
      {"integer over 64 bits", R"({"payload":18446744073709551616})"},
      {"duplicate member", R"({"payload":1,"payload":2})"},
      {"too deep", R"({"payload":)" + std::string(130, '[') + std::string(130, ']') + "}"},
      {"no object", "[]"},
      {"nothing", ""},
  };

  for (const auto& [name, body] : cases) {
    SCOPED_TRACE(name);
    Reply reply = api_.post("/jobs", body, {{"Content-Type", "application/json"}});
    EXPECT_EQ(reply.status, 400) << reply.text;
    EXPECT_EQ(reply.body.value("status", 0), 400);
  }
}

TEST_F(BrokerProducer, WhatIsNotThereIs404) {
  const std::string no_job = "/jobs/0193e5c1-0000-7000-8000-000000000001";
  ApiClient other(broker_.url(), "other");

  EXPECT_EQ(other.enqueue({{"payload", 1}}).status, 404);
  EXPECT_EQ(other.queue_status().status, 404);
  EXPECT_EQ(api_.get(api_.queue_path() + no_job).status, 404);
  EXPECT_EQ(api_.get(api_.queue_path() + "/jobs/no-id").status, 404);
  EXPECT_EQ(api_.send("DELETE", api_.queue_path() + no_job).status, 404);
  EXPECT_EQ(api_.get("/v2/queues").status, 404);
}

TEST_F(BrokerProducer, BodiesOverALimitAre413) {
  const std::string over_payload(257 * 1024, 'x');
  const std::string over_body(400 * 1024, 'x');

  Reply payload = api_.enqueue({{"payload", over_payload}});
  Reply body = api_.enqueue({{"payload", over_body}});
  Json jobs = {{{"payload", over_payload}}, {{"payload", "small"}}};
  Reply batch = api_.post("/jobs:batch", Json{{"jobs", jobs}}.dump());

  EXPECT_EQ(payload.status, 413) << payload.text;
  EXPECT_EQ(body.status, 413) << body.text;
  ASSERT_EQ(batch.status, 202) << batch.text;
  EXPECT_EQ(batch.body["results"][0]["error"]["status"], 413);
  EXPECT_EQ(state_of(batch.body["results"][1]["id"]), "Ready");
}

TEST_F(BrokerProducer, ABodyThatIsNotJsonByTypeIs415) {
  EXPECT_EQ(api_.post("/jobs", R"({"payload":1})", {{"Content-Type", "text/plain"}}).status, 415);
}

TEST_F(BrokerProducer, ARepeatedKeyIsTheSameJobAndOtherContentIs422) {
  Json job = {{"payload", {{"n", 1}}}, {"idempotencyKey", "k"}};
  Json other = {{"payload", {{"n", 2}}}, {"idempotencyKey", "k"}};

  Reply first = api_.enqueue(job);
  Reply again = api_.enqueue(job);
  Reply conflict = api_.enqueue(other);

  ASSERT_EQ(first.status, 202) << first.text;
  EXPECT_EQ(again.status, 200) << again.text;
  EXPECT_EQ(again.body["id"], first.body["id"]);
  EXPECT_EQ(conflict.status, 422) << conflict.text;
  EXPECT_EQ(api_.figures()["ready"], 1);
}

TEST_F(BrokerProducer, TheKeyMayComeAsAHeader) {
  const std::string job = R"({"payload":1})";

  Reply first = api_.post("/jobs", job, {{"Idempotency-Key", R"("k 1")"}});
  Reply again = api_.post("/jobs", job, {{"Idempotency-Key", R"("k 1")"}});
  Reply in_body = api_.post("/jobs", R"({"payload":1,"idempotencyKey":"k 1"})");
  Reply differs =
      api_.post("/jobs", R"({"payload":1,"idempotencyKey":"b"})", {{"Idempotency-Key", "a"}});
  Reply on_batch =
      api_.post("/jobs:batch", R"({"jobs":[{"payload":1}]})", {{"Idempotency-Key", "a"}});

  ASSERT_EQ(first.status, 202) << first.text;
  EXPECT_EQ(again.status, 200) << again.text;
  EXPECT_EQ(in_body.status, 200) << in_body.text;
  EXPECT_EQ(in_body.body["id"], first.body["id"]);
  EXPECT_EQ(differs.status, 400) << differs.text;
  EXPECT_EQ(on_batch.status, 400) << on_batch.text;
}

TEST_F(BrokerProducer, ADelayedJobWaitsAndAnExpiredOneDies) {
  Reply delayed = api_.enqueue({{"payload", 1}, {"delaySeconds", 3600}});
  Reply expired = api_.enqueue({{"payload", 1}, {"expiresAt", "2020-01-01T00:00:00Z"}});

  EXPECT_EQ(delayed.body["state"], "Scheduled");
  EXPECT_EQ(api_.figures()["scheduled"], 1);
  ASSERT_EQ(expired.status, 202) << expired.text;
  Reply dead = api_.job(expired.body["id"], 30);
  EXPECT_EQ(dead.body["state"], "Dead");
  EXPECT_EQ(dead.body["error"]["reason"], "Expired");
}

TEST_F(BrokerProducer, AWaitingReaderHearsOfTheEnd) {
  const std::string id = api_.enqueue_payload(1);
  Json claimed = api_.claim_one("w");
  ApiClient reader(broker_.url());
  auto waiting = std::async(std::launch::async, [&] { return reader.job(id, 60); });

  ASSERT_EQ(api_.settle(claimed, "Succeeded", {{"result", {{"pages", 3}}}})["status"], "ok");

  Reply ended = waiting.get();
  EXPECT_EQ(ended.status, 200);
  EXPECT_EQ(ended.body["state"], "Succeeded");
  EXPECT_EQ(ended.body["result"], Json({{"pages", 3}}));
  EXPECT_TRUE(ended.body.contains("finishedAt"));
}

TEST_F(BrokerProducer, PagesShowEveryJobExactlyOnceInOrderOfId) {
  std::set<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.insert(make_dead(i));
  for (int i = 0; i < 7; ++i) ids.insert(api_.enqueue_payload(i));
  for (int i = 0; i < 3; ++i) api_.settle(api_.claim_one("w"), "Succeeded");
  ASSERT_FALSE(api_.claim_one("w").is_null());
  for (int i = 0; i < 9; ++i) {
    ids.insert(api_.enqueue({{"payload", i}, {"delaySeconds", 3600}}).body["id"]);
  }

  int pages = 0;
  const std::vector<Json> jobs = api_.jobs("limit=3", &pages);

  std::vector<std::string> listed;
  for (const Json& job : jobs) listed.push_back(job["id"]);
  EXPECT_EQ(listed, std::vector<std::string>(ids.begin(), ids.end()));
  EXPECT_GE(pages, 7);
  const std::pair<const char*, std::size_t> states[] = {
      {"Dead", 4}, {"Succeeded", 3}, {"Running", 1}, {"Ready", 3}, {"Scheduled", 9}};
  for (const auto& [state, count] : states) {
    SCOPED_TRACE(state);
    EXPECT_EQ(api_.jobs(std::string("limit=2&state=") + state).size(), count);
  }
}

TEST_F(BrokerProducer, BadParametersAreRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {{"limit=0", "limit"},
                                                       {"state=Asleep", "state"},
                                                       {"cursor=!", "cursor"},
                                                       {"colour=red", "colour"}};

  for (const auto& [query, field] : cases) {
    SCOPED_TRACE(query);
    Reply reply = api_.get(api_.queue_path() + "/jobs?" + query);
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.body.value("field", ""), field);
  }
}

TEST_F(BrokerProducer, CancelEndsAWaitingJobAtOnceAndAsksARunningOneToStop) {
  const std::string waiting = api_.enqueue({{"payload", 1}, {"delaySeconds", 60}}).body["id"];
  const std::string running = api_.enqueue_payload(2);
  Json claimed = api_.claim_one("w");
  ASSERT_EQ(claimed["id"], running);

  Reply first = api_.send("DELETE", api_.queue_path() + "/jobs/" + waiting);
  Reply second = api_.send("DELETE", api_.queue_path() + "/jobs/" + running);

  EXPECT_EQ(first.status, 200) << first.text;
  EXPECT_EQ(first.body["state"], "Cancelled");
  EXPECT_EQ(second.status, 202) << second.text;
  EXPECT_EQ(second.body["state"], "Running");
  EXPECT_EQ(second.body["cancelRequested"], true);
  EXPECT_EQ(api_.extend(claimed), "cancelled");
  EXPECT_EQ(api_.settle(claimed, "Failed", {{"error", {{"reason", "Test"}}}})["status"], "ok");
  EXPECT_EQ(state_of(running), "Cancelled");
  Reply again = api_.send("DELETE", api_.queue_path() + "/jobs/" + running);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body["state"], "Cancelled");
}

// SURVIVAL 20
TEST_F(BrokerProducer, WhatGot202SurvivesKill9) {
  const std::string dead = make_dead(1);
  const std::string ready = api_.enqueue_payload({{"n", 2}});
  Json keyed = {{"payload", 3}, {"delaySeconds", 60}, {"idempotencyKey", "k"}};
  const std::string delayed = api_.enqueue(keyed).body["id"];

  broker_.kill9();
  broker_.start();

  EXPECT_EQ(state_of(ready), "Ready");
  EXPECT_EQ(state_of(dead), "Dead");
  EXPECT_EQ(state_of(delayed), "Scheduled");
  Reply again = api_.enqueue(keyed);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body["id"], delayed);
  EXPECT_NE(api_.enqueue_payload(4), "");
}

TEST_F(BrokerProducer, JobsAreListedAndCancelledByTheirLabels) {
  std::set<std::string> wanted;
  for (int i = 0; i < 30; ++i) {
    const Json labels = {{"run", i % 3 == 0 ? "mine" : "other"}, {"n", std::to_string(i)}};
    const std::string id = api_.enqueue({{"payload", i}, {"labels", labels}}).body["id"];
    if (i % 3 == 0) wanted.insert(id);
  }
  Json running = api_.claim_one("w");
  ASSERT_EQ(*wanted.begin(), running["id"]);

  std::set<std::string> listed;
  for (Json job : api_.jobs("labels=run=mine&limit=4")) listed.insert(job["id"]);
  Json body = {{"filter", {{"labels", {{"run", "mine"}}}}}, {"max", 4}};
  int cancelled = 0;
  int stopping = 0;
  Reply reply;
  do {
    reply = api_.post("/jobs:cancel", body.dump());
    ASSERT_EQ(reply.status, 200) << reply.text;
    cancelled += reply.body.value("cancelled", 0);
    stopping += reply.body.value("stopping", 0);
    body["cursor"] = reply.body.value("cursor", "");
  } while (reply.body.contains("cursor"));

  EXPECT_EQ(listed, wanted);
  EXPECT_EQ(cancelled, 9);
  EXPECT_EQ(stopping, 1);
  EXPECT_EQ(api_.extend(running), "cancelled");
  EXPECT_EQ(api_.figures()["ready"], 20);
  EXPECT_EQ(api_.post("/jobs:cancel", R"({"filter":{}})").status, 400);
}

TEST_F(BrokerProducer, CloudEventsAreJobs) {
  const std::string event =
      R"({"specversion":"1.0","id":"7","source":"/shop","type":"order","data":{"n": 1.0}})";
  const ApiClient::Headers structured = {{"content-type", "application/cloudevents+json"}};
  const ApiClient::Headers binary = {
      {"ce-specversion", "1.0"}, {"ce-id", "8"}, {"ce-source", "/shop"}, {"ce-type", "order"}};

  Reply first = api_.post("/jobs", event, structured);
  Reply again = api_.post("/jobs", event, structured);
  Reply second = api_.post("/jobs", R"({"n": 2.0})", binary);
  Reply bad = api_.post("/jobs", R"({"id":"7"})", structured);

  ASSERT_EQ(first.status, 202) << first.text;
  EXPECT_EQ(again.status, 200) << again.text;
  EXPECT_EQ(again.body["id"], first.body["id"]);
  ASSERT_EQ(second.status, 202) << second.text;
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.member("field"), "specversion");
  EXPECT_THAT(api_.claim("w").text, HasSubstr(R"("payload":)" + event));
  Json claimed = api_.claim_one("w");
  EXPECT_EQ(claimed["payload"]["id"], "8");
  EXPECT_EQ(claimed["payload"]["data"]["n"], 2.0);
}

TEST_F(BrokerProducer, EndsAreToldAsServerSentEvents) {
  ApiClient other(broker_.url());
  std::string done;
  std::string cancelled;

  const std::vector<Json> events = api_.events(2, [&] {
    done = other.enqueue_payload(1);
    other.settle(other.claim_one("w"), "Succeeded");
    cancelled = other.enqueue_payload(2);
    other.send("DELETE", other.queue_path() + "/jobs/" + cancelled);
  });

  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].value("id", ""), done);
  EXPECT_EQ(events[0].value("state", ""), "Succeeded");
  EXPECT_EQ(events[1].value("id", ""), cancelled);
  EXPECT_EQ(events[1].value("state", ""), "Cancelled");
  EXPECT_EQ(api_.get("/v1/namespaces/default/queues/none/events").status, 404);
}

}  // namespace
}  // namespace sluice::testing
