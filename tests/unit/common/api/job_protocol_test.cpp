#include "common/api/job_protocol.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/api/json_text.h"

namespace sluice::api {
namespace {

using nlohmann::json;

constexpr ErrorCode kCodes[] = {
    ErrorCode::kInvalidArgument, ErrorCode::kUnauthenticated,  ErrorCode::kPermissionDenied,
    ErrorCode::kNotFound,        ErrorCode::kConflict,         ErrorCode::kQueueNotEmpty,
    ErrorCode::kIdempotency,     ErrorCode::kTooLarge,         ErrorCode::kUnsupportedMedia,
    ErrorCode::kQueueFull,       ErrorCode::kQueuePaused,      ErrorCode::kDiskFull,
    ErrorCode::kUnavailable,     ErrorCode::kDeadlineExceeded, ErrorCode::kCorruption,
    ErrorCode::kInternal};

TEST(ClaimReply, PayloadKeepsItsBytes) {
  for (const char* const payload :
       {"1.0", "1e2", "100000000000000000000", "-0", "\"a\\u0041\\/\"", "{ \"b\" : 1,\n\"a\":[ ] }",
        "\"}],{\\\"\"", "[{\"payload\":2}]", "null"}) {
    SCOPED_TRACE(payload);
    const auto reply = decode_claim_reply(
        std::string(R"( {"drain" : true, "jobs":[ {"id":"a","lease":"l1","payload":)") + payload +
        R"( , "attempt":2}, {"payload":7,"id":"b","lease":"l2","new":{}}]} )");
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_EQ(reply->jobs.size(), 2u);
    EXPECT_EQ(reply->jobs[0].payload, payload);
    EXPECT_EQ(reply->jobs[0].attempt, 2);
    EXPECT_EQ(reply->jobs[1].payload, "7");
    EXPECT_TRUE(reply->drain);
  }
}

TEST(ClaimReply, DamagedOnesAreRefused) {
  for (const char* const text :
       {"", "[]", "{}", R"({"jobs":1})", R"({"jobs":[1]})", R"({"jobs":[{"id":"a","lease":"l"}]})",
        R"({"jobs":[{"lease":"l","payload":1}]})", R"({"jobs":[{"id":1,"lease":"l","payload":1}]})",
        R"({"jobs":[{"id":"a","lease":"l","payload":1,"attempt":99999999999}]})"}) {
    SCOPED_TRACE(text);
    const auto reply = decode_claim_reply(text);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, ErrorCode::kCorruption);
  }
}

RC_GTEST_PROP(MemberText, FindsTheBytesOfAnyMember, (const std::vector<std::string>& values)) {
  std::string text = "{ ";
  for (std::size_t i = 0; i < values.size(); ++i) {
    text += (i > 0 ? " , " : "") + std::string("\"k") + std::to_string(i) + "\" : [" +
            dump(json(values[i])) + " ]";
  }
  text += "}";

  for (std::size_t i = 0; i < values.size(); ++i) {
    RC_ASSERT(member_text(text, "k" + std::to_string(i)) == "[" + dump(json(values[i])) + " ]");
  }
  RC_ASSERT(member_text(text, "other") == std::nullopt);
}

RC_GTEST_PROP(MemberText, NoTextCrashesIt, ()) {
  const auto text =
      *rc::gen::container<std::string>(rc::gen::elementOf(std::string("{}[]:,\"\\ a1")));

  member_text(text, "a");
  member_texts(text);
  item_texts(text);
}

TEST(MemberText, EscapedKeysAndTheLastOfTwo) {
  EXPECT_EQ(member_text(R"({"\u0061":1,"b":2,"a":3})", "a"), "3");
  EXPECT_EQ(member_text(R"({"\u0061":1,"b":2})", "a"), "1");
  EXPECT_EQ(member_text("{}", "a"), std::nullopt);
}

TEST(MemberTexts, NamesAndBytesOfEachMember) {
  using Members = std::vector<std::pair<std::string, std::string_view>>;
  EXPECT_EQ(member_texts(R"({"\u0061": [1, 2] , "b":"}", "b":1.0})"),
            (Members{{"a", "[1, 2]"}, {"b", R"("}")"}, {"b", "1.0"}}));
  EXPECT_TRUE(member_texts("{}").empty());
}

TEST(ClaimReply, ParentsResultsAreTheBytesThatWereSettled) {
  const auto reply = decode_claim_reply(
      R"({"jobs":[{"id":"a","lease":"l","payload":1,"parents":{"p": 1.0e2}},
                  {"id":"b","lease":"m","payload":1}]})");

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->jobs[0].parents_json, R"({"p": 1.0e2})");
  EXPECT_EQ(reply->jobs[1].parents_json, "{}");
}

TEST(SettleRequest, FollowUpJobsAreEmbeddedByteForByte) {
  const std::string text =
      encode_settle_request("w", {{.id = "a",
                                   .lease = "l",
                                   .result_json = "1",
                                   .follow_ups = {R"({"payload": 1.0})", R"({"payload":2})"}}});

  EXPECT_NE(text.find(R"("result":1,"enqueue":[{"payload": 1.0},{"payload":2}]})"),
            std::string::npos);
}

TEST(SettleRequest, ResultIsEmbeddedByteForByte) {
  const std::string text = encode_settle_request(
      "w",
      {{.id = "a", .lease = "l", .result_json = "1.0e+2"},
       {.id = "b",
        .lease = "m",
        .outcome = Outcome::kFailed,
        .error =
            RunError{
                .reason = "ExitCode", .message = "bad \xff", .exit_code = 3, .retry_never = true},
        .retry_after_seconds = 5}});

  EXPECT_NE(text.find(R"("result":1.0e+2})"), std::string::npos);
  const json parsed = json::parse(text);
  EXPECT_EQ(parsed["worker"], "w");
  EXPECT_EQ(parsed["settlements"][1]["error"]["retry"], "Never");
  EXPECT_EQ(parsed["settlements"][1]["error"]["exitCode"], 3);
  EXPECT_EQ(parsed["settlements"][1]["retryAfterSeconds"], 5);
  EXPECT_FALSE(parsed["settlements"][1].contains("result"));
}

TEST(SettleRequest, NoSettlementsIsAnEmptyList) {
  EXPECT_EQ(encode_settle_request("w", {}), R"({"worker":"w","settlements":[]})");
}

TEST(ExtendRequest, CarriesLeasesAndProgress) {
  const json parsed = json::parse(
      encode(ExtendRequest{.worker = "w",
                           .instance = "i",
                           .leases = {{.id = "a", .lease = "l", .progress = Progress{0.5, "half"}}},
                           .draining = true,
                           .holding = 1}));

  EXPECT_EQ(parsed, json::parse(R"({"worker":"w","instance":"i","draining":true,"holding":1,
    "leases":[{"id":"a","lease":"l","progress":{"ratio":0.5,"message":"half"}}]})"));
}

TEST(ExtendReply, KnowsThreeStatuses) {
  const auto reply = decode_extend_reply(
      R"({"leases":[{"id":"a","status":"ok"},{"id":"b","status":"lost"},{"id":"c","status":"cancelled"}],"drain":true})");

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->leases[0].status, LeaseStatus::kOk);
  EXPECT_EQ(reply->leases[1].status, LeaseStatus::kLost);
  EXPECT_EQ(reply->leases[2].status, LeaseStatus::kCancelled);
  EXPECT_TRUE(reply->drain);
}

TEST(SettleReply, TellsOkFromProblems) {
  const auto reply = decode_settle_reply(
      R"({"results":[{"id":"a","status":"ok"},{"id":"b","error":{"status":409,"detail":"stale lease","field":"x"}}]})");

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->results[0].status, 200);
  EXPECT_EQ(reply->results[1].status, 409);
  EXPECT_EQ(reply->results[1].problem, "stale lease");
  EXPECT_EQ(reply->results[1].field, "x");
}

TEST(QueueSignal, ReadsWhatTheBrokerWrites) {
  const QueueFigures figures{.backlog = 7,
                             .due_soon = 2,
                             .oldest_ready_time = TimePoint{Duration{5}},
                             .pressure = Pressure::kThrottle,
                             .ready_per_second = 1.5,
                             .finished_recently = 3,
                             .paused_dispatch = true,
                             .circuit = CircuitState::kHalfOpen,
                             .throttled_per_second = 2.5};
  const std::vector<WorkerFigures> workers{{.name = "w",
                                            .instance = "i",
                                            .running = 2,
                                            .draining = true,
                                            .holding = 2,
                                            .seen_at = TimePoint{Duration{9}}}};

  const auto signal =
      decode_queue_signal(R"({"namespace":"n","queue":"q","figures":)" + encode(figures) +
                          R"(,"workers":)" + encode(workers) + "}");

  ASSERT_TRUE(signal) << signal.error().message;
  EXPECT_EQ(signal->queue, "q");
  EXPECT_EQ(encode(signal->figures), encode(figures));
  EXPECT_EQ(encode(signal->workers), encode(workers));
}

TEST(QueueSignal, AWordOfANewerVersionIsPassedOver) {
  const auto signal = decode_queue_signal(R"({"figures":{"pressure":"Gentle","backlog":3}})");

  ASSERT_TRUE(signal);
  EXPECT_EQ(signal->figures.pressure, Pressure::kNone);
  EXPECT_EQ(signal->figures.backlog, 3);
}

TEST(Problem, EveryErrorCodeComesBack) {
  for (const ErrorCode code : kCodes) {
    SCOPED_TRACE(to_string(code));
    const Error error{.code = code, .message = "why", .field = "spec.x"};

    const auto problem = decode_problem(encode(to_problem(error)));

    ASSERT_TRUE(problem);
    EXPECT_EQ(problem->status, http_status(code));
    EXPECT_EQ(to_error(*problem).code, code);
    EXPECT_EQ(to_error(*problem).message, "why");
    EXPECT_EQ(to_error(*problem).field, "spec.x");
  }
}

TEST(Problem, ConflictsNameTheirKind) {
  EXPECT_EQ(to_problem({ErrorCode::kConflict, "", "generation"}).type,
            "https://sluice.dev/errors#stale-spec");
  EXPECT_EQ(to_problem({ErrorCode::kConflict, "", "uid"}).type,
            "https://sluice.dev/errors#uid-conflict");
  const Problem bare{.type = "https://sluice.dev/errors#uid-conflict", .status = 409};
  EXPECT_EQ(to_error(bare).code, ErrorCode::kConflict);
  EXPECT_EQ(to_error(bare).field, "uid");
}

TEST(Problem, AMissingParentIsNoMissingPath) {
  const Problem problem = to_problem({ErrorCode::kNotFound, "why", "dependsOn[2]"});

  EXPECT_EQ(problem.type, "https://sluice.dev/errors#missing-parent");
  EXPECT_EQ(problem.status, 422);
  EXPECT_EQ(to_error(problem).code, ErrorCode::kNotFound);
  EXPECT_EQ(to_error(problem).field, "dependsOn[2]");
}

TEST(Problem, UnknownTypesGoByTheirStatus) {
  struct Case {
    int status;
    ErrorCode want;
  };
  const Case cases[] = {{409, ErrorCode::kConflict},    {418, ErrorCode::kInvalidArgument},
                        {502, ErrorCode::kUnavailable}, {503, ErrorCode::kUnavailable},
                        {500, ErrorCode::kInternal},    {599, ErrorCode::kInternal}};
  for (const Case& c : cases) {
    EXPECT_EQ(to_error({.type = "about:blank", .status = c.status}).code, c.want) << c.status;
  }
}

// docs/errors.md is the table for people: it must not say something else.
TEST(Problem, DocumentedTableIsTheMapping) {
  const char* const root = std::getenv("SLUICE_SOURCE_DIR");
  ASSERT_NE(root, nullptr);
  std::ostringstream text;
  text << std::ifstream(std::string(root) + "/docs/errors.md").rdbuf();

  for (const ErrorCode code : kCodes) {
    const std::string row =
        "| `" + std::string(to_string(code)) + "` | " + std::to_string(http_status(code)) + " |";
    EXPECT_NE(text.str().find(row), std::string::npos) << row;
  }
}

TEST(JobState, NamesComeBack) {
  for (int i = 0; i <= static_cast<int>(JobState::kCancelled); ++i) {
    const auto state = static_cast<JobState>(i);
    EXPECT_EQ(parse_job_state(to_string(state)), state);
  }
  EXPECT_EQ(parse_job_state("ready"), std::nullopt);
  EXPECT_EQ(parse_outcome("Released"), Outcome::kReleased);
  EXPECT_EQ(parse_outcome(""), std::nullopt);
}

}  // namespace
}  // namespace sluice::api
