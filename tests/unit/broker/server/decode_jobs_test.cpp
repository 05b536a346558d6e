#include "broker/server/decode_jobs.h"

#include <gtest/gtest.h>

#include "broker/server/decode_requests.h"
#include "broker/server/idempotency.h"

namespace sluice::broker {
namespace {

const QueueName kQueue{"prod", "mail"};

DecodeJobOptions options() {
  return {.payload_bytes_max = 1024};
}

TEST(DecodeNewJob, KeepsThePayloadsBytes) {
  const auto job = decode_new_job(
      JsonView{R"({ "payload" : {"b": 1.0,  "a":"\u0041"} , "priority":9,"delaySeconds":5})"},
      options());

  ASSERT_TRUE(job);
  EXPECT_EQ(job->payload, R"({"b": 1.0,  "a":"\u0041"})");
  EXPECT_EQ(job->priority, 9);
  EXPECT_EQ(job->delay, std::chrono::seconds{5});
}

TEST(DecodeNewJob, ReadsWhoseTurnItTakesAndItsKey) {
  const auto job =
      decode_new_job(JsonView{R"({"payload":1,"tenant":"acme","key":"order-7"})"}, options());

  ASSERT_TRUE(job);
  EXPECT_EQ(job->tenant, "acme");
  EXPECT_EQ(job->key, "order-7");
}

TEST(DecodeNewJob, NamesTheMemberAtFault) {
  struct Case {
    const char* body;
    const char* field;
  };
  const Case cases[] = {
      {R"({})", "payload"},
      {R"({"payload":1,"payload":1})", "payload"},
      {R"({"payload":1,"p\u0061yload":1})", "payload"},
      {R"({"payload":1,"nice":1})", "nice"},
      {R"({"payload":1,"priority":10})", "priority"},
      {R"({"payload":1,"priority":"5"})", "priority"},
      {R"({"payload":1,"priority":5.0})", "priority"},
      {R"({"payload":1,"priority":null})", "priority"},
      {R"({"payload":1,"delaySeconds":1,"runAt":"2026-01-01T00:00:00Z"})", "runAt"},
      {R"({"payload":1,"runAt":"tomorrow"})", "runAt"},
      {R"({"payload":1,"idempotencyKey":""})", "idempotencyKey"},
      {R"({"payload":1,"labels":{"a":1}})", "labels.a"},
      {R"({"payload":1,"labels":{"a":"1","a":"2"}})", "labels.a"},
      {R"({"payload":1,"id":"7"})", "id"},
      {R"({"payload":1,"source":{"kind":"Pod","uid":"u","name":"n"}})", "source.kind"},
      {R"({"payload":1,"source":{"kind":"Job","uid":"u"}})", "source"},
      {R"({"payload":1,"schedule":{"uid":"u"}})", "schedule"},
      {R"({"payload":1,"schedule":{"uid":"u","tick":"2026-01-01T00:00:00Z","policy":"No"}})",
       "schedule.policy"},
      {R"({"payload":1,"timeoutSeconds":0})", "timeoutSeconds"},
      {R"({"payload":1,"timeoutSeconds":604801})", "timeoutSeconds"},
      {R"({"payload":1,"tenant":""})", "tenant"},
      {R"({"payload":1,"key":""})", "key"},
      {R"({"payload":1,"dependsOn":"0192f0c1-0000-7000-8000-000000000001"})", "dependsOn"},
      {R"({"payload":1,"dependsOn":[7]})", "dependsOn[0]"},
      {R"({"payload":1,"dependsOn":["0192f0c1-0000-7000-8000-000000000001",
          "0192F0C1-0000-7000-8000-000000000001"]})",
       "dependsOn[1]"},
      {R"({"payload":1,"onParentFailure":"Wait"})", "onParentFailure"},
      {R"({"payload":1,"schedule":{"uid":"u","tick":"2026-01-01T00:00:00Z"},
          "dependsOn":["0192f0c1-0000-7000-8000-000000000001"]})",
       "dependsOn"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    const auto job = decode_new_job(JsonView{c.body}, options());
    ASSERT_FALSE(job);
    EXPECT_EQ(job.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(job.error().field, c.field);
  }
}

// As a manifest's.
TEST(DecodeNewJob, ARunMayTakeAWeek) {
  EXPECT_TRUE(decode_new_job(JsonView{R"({"payload":1,"timeoutSeconds":604800})"}, options()));
}

TEST(DecodeNewJob, ReadsItsParents) {
  const auto job =
      decode_new_job(JsonView{R"({"payload":1,"dependsOn":["0192f0c1-0000-7000-8000-000000000001",
          "0192f0c1-0000-7000-8000-000000000002"],"onParentFailure":"Run"})"},
                     options());

  ASSERT_TRUE(job);
  ASSERT_EQ(job->depends_on.size(), 2u);
  EXPECT_EQ(to_string(job->depends_on[1]), "0192f0c1-0000-7000-8000-000000000002");
  EXPECT_EQ(job->on_parent_failure, api::ParentFailure::kRun);
}

// SURVIVAL 29: well-formed or not, it is the id of no job.
TEST(DecodeNewJob, WhatIsNoIdIsNoParent) {
  const auto job = decode_new_job(JsonView{R"({"payload":1,"dependsOn":["x"]})"}, options());

  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(job.error().field, "dependsOn[0]");
}

TEST(DecodeNewJob, HasAtMostAHundredParents) {
  std::string ids;
  for (int i = 0; i < 101; ++i) {
    char id[40];
    std::snprintf(id, sizeof id, "0192f0c1-0000-7000-8000-%012d", i + 1);
    ids += (i > 0 ? ",\"" : "\"") + std::string(id) + "\"";
  }
  const std::string body = R"({"payload":1,"dependsOn":[)" + ids + "]}";
  const auto job = decode_new_job(JsonView{body}, options());

  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().field, "dependsOn");
}

TEST(DecodeNewJob, ReadsACallback) {
  const auto job = decode_new_job(
      JsonView{R"({"payload":1,"callback":{"url":"https://example.org/in?a=1","secretName":"k"}})"},
      options());

  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(job->callback, (api::Callback{"https://example.org/in?a=1", "k"}));
}

TEST(DecodeNewJob, ReadsAUniqueKeyAndWhatADuplicateDoes) {
  const auto job = decode_new_job(
      JsonView{R"({"payload":1,"uniqueKey":"k","onDuplicate":"Replace"})"}, options());
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(job->unique_key, "k");
  EXPECT_TRUE(job->replace);

  for (const char* members :
       {R"("onDuplicate":"Replace")", R"("uniqueKey":"k","onDuplicate":"x")"}) {
    const auto bad =
        decode_new_job(JsonView{std::string(R"({"payload":1,)") + members + "}"}, options());
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().field, "onDuplicate");
  }
}

TEST(DecodeNewJob, RefusesCallbacksThatGoNowhereByField) {
  const struct {
    std::string callback;
    std::string field;
  } cases[] = {
      {R"("http://example.org")", "callback"},
      {R"({})", "callback.url"},
      {R"({"url":"ftp://example.org"})", "callback.url"},
      {R"({"url":"http://user@example.org/"})", "callback.url"},
      {R"({"url":"http://example.org/#part"})", "callback.url"},
      {R"({"url":"http://example.org:99999/"})", "callback.url"},
      {R"({"url":"http://example.org/","secretName":"../../etc/passwd"})", "callback.secretName"},
      {R"({"url":"http://example.org/","extra":1})", "callback.extra"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.callback);
    const auto job =
        decode_new_job(JsonView{R"({"payload":1,"callback":)" + c.callback + "}"}, options());
    ASSERT_FALSE(job);
    EXPECT_EQ(job.error().field, c.field);
  }
}

TEST(DecodeNewJob, PassesUnknownMembersOverForTheProtocol) {
  auto lenient = options();
  lenient.unknown = UnknownMembers::kIgnore;

  EXPECT_TRUE(decode_new_job(JsonView{R"({"payload":1,"future":{"x":1}})"}, lenient));
  EXPECT_FALSE(decode_new_job(JsonView{R"({"payload":1,"future":1,"future":1})"}, lenient));
}

TEST(DecodeNewJob, HoldsThePayloadToItsLimits) {
  const std::string big = R"({"payload":")" + std::string(1024, 'x') + R"("})";
  const auto too_big = decode_new_job(JsonView{big}, options());
  ASSERT_FALSE(too_big);
  EXPECT_EQ(too_big.error().code, ErrorCode::kTooLarge);

  const auto nested = [](std::size_t depth) {
    return R"({"payload":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(decode_new_job(JsonView{nested(128)}, options()));
  EXPECT_FALSE(decode_new_job(JsonView{nested(129)}, options()));
}

TEST(DecodeNewJob, TakesTheKeyFromMemberOrHeaderButNotTwoOfThem) {
  auto with_header = options();
  with_header.idempotency_key = "k";

  const auto by_member =
      decode_new_job(JsonView{R"({"payload":1,"idempotencyKey":"k"})"}, options());
  const auto by_header = decode_new_job(JsonView{R"({"payload":1})"}, with_header);
  const auto both = decode_new_job(JsonView{R"({"payload":1,"idempotencyKey":"k"})"}, with_header);
  const auto differing =
      decode_new_job(JsonView{R"({"payload":1,"idempotencyKey":"j"})"}, with_header);

  ASSERT_TRUE(by_member && by_header && both);
  EXPECT_EQ(by_member->idempotency->key, by_header->idempotency->key);
  EXPECT_EQ(by_member->idempotency->content, by_header->idempotency->content);
  EXPECT_EQ(both->idempotency->key, hash128("k"));
  ASSERT_FALSE(differing);
  EXPECT_EQ(differing.error().field, "idempotencyKey");
}

TEST(DecodeBatch, KeepsEachElementsErrorToItself) {
  const auto batch = decode_batch(JsonView{R"({"jobs":[{"payload":1},{"x":1},3]})"}, options());

  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->jobs.size(), 3u);
  EXPECT_TRUE(batch->jobs[0]);
  EXPECT_EQ(batch->jobs[1].error().field, "x");
  EXPECT_FALSE(batch->jobs[2]);
  EXPECT_FALSE(batch->group);
}

TEST(DecodeBatch, ReadsAGroup) {
  const std::string id = "0192f0c1-0000-7000-8000-000000000001";
  const auto batch =
      decode_batch(JsonView{R"({"jobs":[],"group":{"id":")" + id +
                            R"(","open":true,"callback":{"url":"https://example.org/"}}})"},
                   options());

  ASSERT_TRUE(batch) << batch.error().message;
  ASSERT_TRUE(batch->group);
  EXPECT_EQ(to_string(*batch->group->id), id);
  EXPECT_TRUE(batch->group->open);
  EXPECT_EQ(batch->group->callback->url, "https://example.org/");
}

TEST(DecodeBatch, RefusesGroupsByField) {
  for (const auto& [group, field] :
       std::map<std::string, std::string>{{R"({"open":true})", "group.open"},
                                          {R"({"id":"x"})", "group.id"},
                                          {R"({"callback":{}})", "group.callback.url"},
                                          {R"({"name":"x"})", "group.name"},
                                          {R"([])", "group"}}) {
    SCOPED_TRACE(group);
    const std::string body = R"({"jobs":[],"group":)" + group + "}";
    const auto batch = decode_batch(JsonView{body}, options());
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error().field, field);
  }
}

TEST(DecodeBatch, IsBounded) {
  std::string body = R"({"jobs":[0)";
  for (int i = 0; i < 1000; ++i) body += ",0";
  const auto batch = decode_batch(JsonView{body + "]}"}, options());

  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().field, "jobs");
}

TEST(DecodeSettle, TellsWhichSettlementIsWrong) {
  const auto items = decode_settle(JsonView{R"({"worker":"w","settlements":[
        {"id":"0192f0c1-0000-7000-8000-000000000001","lease":"x","outcome":"Succeeded","result":[1, 2]},
        {"id":"no uuid","lease":"x","outcome":"Failed"},
        {"id":"0192f0c1-0000-7000-8000-000000000002","lease":"x","outcome":"Maybe"},
        {"id":"0192f0c1-0000-7000-8000-000000000003","lease":"x","outcome":"Failed",
         "enqueue":[{"payload":1}]}]})"},
                                   kQueue, UnknownMembers::kRefuse);

  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 4u);
  ASSERT_TRUE((*items)[0].request);
  EXPECT_EQ((*items)[0].request->result_json, "[1, 2]");
  EXPECT_EQ((*items)[1].request.error().code, ErrorCode::kNotFound);
  EXPECT_EQ((*items)[2].request.error().field, "outcome");
  EXPECT_EQ((*items)[3].request.error().field, "enqueue");
}

TEST(DecodeSettle, ReadsFollowUpJobs) {
  const auto decode = [](const std::string& enqueue) {
    const std::string body = R"({"worker":"w","settlements":[
        {"id":"0192f0c1-0000-7000-8000-000000000001","lease":"x","outcome":"Succeeded","enqueue":)" +
                             enqueue + "}]}";
    // A worker's: what it adds itself may be new, what a handler's author writes is checked.
    auto items = decode_settle(JsonView{body}, kQueue, UnknownMembers::kIgnore);
    return items ? std::move(items->at(0).request) : Result<SettleRequest>(items.error());
  };

  const auto good = decode(
      R"([{"payload":{"n": 1},"priority":9},{"payload":2,"queue":"other","delaySeconds":3}])");
  ASSERT_TRUE(good) << good.error().message;
  ASSERT_EQ(good->follow_ups.size(), 2u);
  EXPECT_EQ(good->follow_ups[0].queue, kQueue);
  EXPECT_EQ(good->follow_ups[0].job.payload, R"({"n": 1})");
  EXPECT_EQ(good->follow_ups[1].queue, (QueueName{"prod", "other"}));

  EXPECT_EQ(decode(R"([{}])").error().field, "enqueue[0].payload");
  EXPECT_EQ(decode(R"([{"payload":1,"idempotencyKey":"k"}])").error().field,
            "enqueue[0].idempotencyKey");
  EXPECT_EQ(decode(R"([{"payload":1,"queue":"No"}])").error().field, "enqueue[0].queue");
  EXPECT_EQ(decode(R"([{"payload":1,"priorty":1}])").error().field, "enqueue[0].priorty");
}

TEST(DecodeConfigure, ReadsWhatHoldsTheFlow) {
  const auto request =
      decode_configure(JsonView{R"({"spec":{"rateLimit":{"limit":5,"periodSeconds":2},
                           "concurrencyLimit":{"max":3,"perKey":1},"circuitBreaker":{},
                           "fairness":{"weights":{"a":2}},
                           "backpressure":{"reject":{"backlog":9}}}})"},
                       kQueue, UnknownMembers::kRefuse);

  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->spec.rate_limit->burst, 5);
  EXPECT_EQ(request->spec.concurrency_limit->per_key, 1);
  EXPECT_EQ(request->spec.circuit_breaker->minimum_jobs, 20);
  EXPECT_EQ(request->spec.fairness_weights.at("a"), 2);
  EXPECT_EQ(request->spec.backpressure->reject.backlog, 9);
}

TEST(DecodeDeadFilter, RefusesPacingAndTwoSelections) {
  const auto refused = [](const char* body) {
    const auto filter = decode_dead_filter(JsonView{body}, UnknownMembers::kRefuse);
    return filter ? std::string{} : filter.error().field;
  };
  EXPECT_EQ(refused(R"({"perSecond":5})"), "perSecond");
  EXPECT_EQ(refused(R"({"filter":{"tenant":"t","key":"k"}})"), "");
  EXPECT_EQ(refused(R"({"filter":{"tenant":""}})"), "filter.tenant");
  EXPECT_EQ(refused(R"({"ids":[],"filter":{}})"), "filter");
  EXPECT_EQ(refused(R"({"max":0})"), "max");
  EXPECT_EQ(refused(R"({})"), "");
}

}  // namespace
}  // namespace sluice::broker
