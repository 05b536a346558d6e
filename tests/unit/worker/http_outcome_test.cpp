#include "worker/http_outcome.h"

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;

// Sun, 06 Nov 1994 08:49:37 GMT
constexpr TimePoint kNow{784'111'777s};

TEST(JudgeReply, StatusAndBodyDecide) {
  struct Case {
    const char* name;
    HttpReply reply;
    api::Outcome outcome;
    const char* result;
    const char* reason;
    const char* message;
  };
  using enum api::Outcome;
  const Case cases[] = {
      {"JSON", {.status = 200, .body = "{\"a\": 1}\n"}, kSucceeded, "{\"a\": 1}", "", ""},
      {"text", {.status = 201, .body = "fine\n"}, kSucceeded, "\"fine\"", "", ""},
      {"nothing", {.status = 204}, kSucceeded, "null", "", ""},
      {"too large",
       {.status = 200, .body = std::string(11, '1')},
       kFailed,
       "",
       "ResultTooLarge",
       "the result is over 10 bytes"},
      {"cut",
       {.status = 200, .body = "1", .body_cut = true},
       kFailed,
       "",
       "ResultTooLarge",
       "the result is over 10 bytes"},
      {"server error",
       {.status = 503, .body = "busy\n"},
       kFailed,
       "",
       "HttpStatus",
       "status 503: busy"},
      {"redirect", {.status = 302}, kFailed, "", "HttpStatus", "status 302"},
      {"client error",
       {.status = 404, .body = "who?"},
       kFailed,
       "",
       "HttpStatus",
       "status 404: who?"},
      {"error with a long body",
       {.status = 500, .body = "trace", .body_cut = true},
       kFailed,
       "",
       "HttpStatus",
       "status 500: trace"},
      {"not UTF-8",
       {.status = 500, .body = "\xff"},
       kFailed,
       "",
       "HttpStatus",
       "status 500: \xEF\xBF\xBD"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);

    const RunOutcome outcome = judge_reply(c.reply, 10, kNow);

    EXPECT_EQ(outcome.outcome, c.outcome);
    EXPECT_EQ(outcome.result_json, c.result);
    EXPECT_EQ(outcome.error ? outcome.error->reason : "", c.reason);
    EXPECT_EQ(outcome.error ? outcome.error->message : "", c.message);
  }
}

const char* const kOutcomeType = "application/vnd.sluice.outcome+json";

TEST(JudgeReply, AnOutcomeDocumentHasAResultAndFollowUpJobs) {
  struct Case {
    const char* name;
    const char* body;
    const char* result;
    FollowUps jobs;
  };
  const Case cases[] = {
      {"both",
       R"( {"result": 1.0e2, "enqueue": [ {"payload": 1}, {"payload":2} ]} )",
       "1.0e2",
       {R"({"payload": 1})", R"({"payload":2})"}},
      {"a result", R"({"result":[]})", "[]", {}},
      {"jobs", R"({"enqueue":[{}]})", "null", {"{}"}},
      {"nothing", "{}", "null", {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    for (const std::string type :
         {kOutcomeType, "Application/vnd.Sluice.outcome+JSON ; charset=utf-8"}) {
      const HttpReply reply{.status = 201, .body = c.body, .content_type = type};

      const RunOutcome outcome = judge_reply(reply, 10, kNow);

      EXPECT_EQ(outcome.outcome, api::Outcome::kSucceeded);
      EXPECT_EQ(outcome.result_json, c.result);
      EXPECT_EQ(outcome.follow_ups, c.jobs);
    }
  }
}

TEST(JudgeReply, OtherTypesAreResultsWhateverTheyLookLike) {
  for (const char* type : {"", "application/json", "application/vnd.sluice.outcome+jsonx"}) {
    const HttpReply reply{.status = 200, .body = R"({"enqueue":7})", .content_type = type};

    EXPECT_EQ(judge_reply(reply, 100, kNow).result_json, R"({"enqueue":7})") << type;
  }
}

TEST(JudgeReply, ABadOutcomeDocumentFailsAndSaysWhy) {
  struct Case {
    const char* body;
    const char* reason;
    const char* message;
  };
  const Case cases[] = {
      {"", "BadFollowUp", "the reply is no JSON object"},
      {"[]", "BadFollowUp", "the reply is no JSON object"},
      {R"({"result":)", "BadFollowUp", "the reply is no JSON (at byte 11)"},
      {R"({"enqueue":{}})", "BadFollowUp", "enqueue: is no array of jobs"},
      {R"({"enqueue":[{},[]]})", "BadFollowUp", "enqueue[1]: is no JSON object"},
      {R"({"results":1})", "BadFollowUp",
       "the reply has the member \"results\"; an outcome has result and enqueue"},
      {R"({"result":1,"r\u0065sult":2})", "BadFollowUp", "the reply has the member result twice"},
      {R"({"result":12345678901})", "ResultTooLarge", "the result is over 10 bytes"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);

    const RunOutcome outcome =
        judge_reply({.status = 200, .body = c.body, .content_type = kOutcomeType}, 10, kNow);

    EXPECT_EQ(outcome.outcome, api::Outcome::kFailed);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->reason, c.reason);
    EXPECT_EQ(outcome.error->message, c.message);
  }
}

TEST(JudgeReply, ATypeMeansNothingWhereTheRunFailed) {
  const HttpReply reply{.status = 503, .body = "busy", .content_type = kOutcomeType};

  EXPECT_EQ(judge_reply(reply, 10, kNow).error->reason, "HttpStatus");
  EXPECT_EQ(body_bytes_max(503, kOutcomeType, 10), 11u);
}

// The broker knows which statuses are final, and the user's rules come before it.
TEST(JudgeReply, AFailureCarriesItsStatusAndTheServersWish) {
  const RunOutcome outcome = judge_reply({.status = 429, .retry_after = "7"}, 10, kNow);

  EXPECT_EQ(outcome.error->http_status, 429);
  EXPECT_FALSE(outcome.error->retry_never);
  EXPECT_EQ(outcome.retry_after_seconds, 7);
}

}  // namespace
}  // namespace sluice::worker
