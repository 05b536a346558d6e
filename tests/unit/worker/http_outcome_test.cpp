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

// The broker knows which statuses are final, and the user's rules come before it.
TEST(JudgeReply, AFailureCarriesItsStatusAndTheServersWish) {
  const RunOutcome outcome = judge_reply({.status = 429, .retry_after = "7"}, 10, kNow);

  EXPECT_EQ(outcome.error->http_status, 429);
  EXPECT_FALSE(outcome.error->retry_never);
  EXPECT_EQ(outcome.retry_after_seconds, 7);
}

}  // namespace
}  // namespace sluice::worker
