#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/cli/command_fixture.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using testing::problem;
using testing::reply;

class EnqueueTest : public testing::CommandTest {
 protected:
  // A broker that takes every job but those whose payload is "bad"; a batch with a payload of
  // "poison" it refuses as a whole.
  void serve() {
    transport_.otherwise = [](const http::Request& request) {
      if (request.body.find("poison") != std::string::npos) {
        return problem(400, "invalid-argument", "malformed");
      }
      Json results = Json::array();
      const Json body = parse_json(request.body).value();
      for (const Json& job : body["jobs"]) {
        if (job["payload"] == "bad") {
          results.push_back({{"error", {{"status", 400}, {"detail", "no good"}}}});
        } else {
          results.push_back({{"id", job["idempotencyKey"]}, {"state", "Ready"}});
        }
      }
      return reply(202, Json{{"results", results}}.dump());
    };
  }
};

TEST_F(EnqueueTest, PrintsTheIdOfOneJob) {
  transport_.answers.push_back(reply(202, R"({"id":"0193","state":"Ready"})"));

  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .payload = "{}"}), ExitCode::kOk);

  EXPECT_EQ(out(), "0193\n");
  ASSERT_EQ(transport_.requests.size(), 1u);
  EXPECT_EQ(transport_.requests[0].target, "/v1/namespaces/default/queues/mail/jobs");
  EXPECT_EQ(transport_.requests[0].body, R"({"idempotencyKey":"cli-test-1","payload":{}})");
}

TEST_F(EnqueueTest, ALostReplyIsAskedForAgainUnderTheSameKey) {
  transport_.answers.push_back(Error{ErrorCode::kUnavailable, "connection reset"});
  transport_.answers.push_back(problem(503, "unavailable", "draining"));
  transport_.answers.push_back(reply(200, R"({"id":"0193","state":"Running"})"));

  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .payload = "1"}), ExitCode::kOk);

  ASSERT_EQ(transport_.requests.size(), 3u);
  EXPECT_EQ(transport_.requests[0].body, transport_.requests[2].body);
}

TEST_F(EnqueueTest, ExitCodesTellRefusedFromUnreachable) {
  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .payload = "1"}), ExitCode::kUnreachable);
  EXPECT_THAT(err(), HasSubstr("sluice dev"));

  transport_.answers.push_back(problem(404, "not-found", "there is no queue mail"));
  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .payload = "1"}), ExitCode::kFailed);
  EXPECT_THAT(err(), HasSubstr("there is no queue mail"));

  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .payload = "hello"}), ExitCode::kUsage);
}

TEST_F(EnqueueTest, BulkReadsStandardInputAndCounts) {
  serve();
  type("1\n2\n3\n");

  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .file = "-"}), ExitCode::kOk);

  EXPECT_EQ(out(), "enqueued 3 jobs (0 refused)\n");
  EXPECT_THAT(err(), HasSubstr("--resume-key cli-test"));
}

TEST_F(EnqueueTest, BulkMakesOneGroupAndClosesIt) {
  serve();
  type("1\n2\n");
  EnqueueCommand command{.queue = "mail", .file = "-"};
  command.group = {true, "https://example.org/in", "hook"};

  EXPECT_EQ(execute(command), ExitCode::kOk);

  ASSERT_EQ(transport_.requests.size(), 2u);
  const Json first = parse_json(transport_.requests[0].body).value();
  const Json last = parse_json(transport_.requests[1].body).value();
  EXPECT_EQ(first["jobs"].size(), 2u);
  EXPECT_EQ(first["group"]["open"], true);
  EXPECT_EQ(first["group"]["callback"]["secretName"], "hook");
  EXPECT_TRUE(last["jobs"].empty());
  EXPECT_FALSE(last["group"].contains("open"));
  EXPECT_EQ(first["group"]["id"], last["group"]["id"]);
  EXPECT_THAT(out(), HasSubstr("group " + first["group"]["id"].get<std::string>()));
}

TEST_F(EnqueueTest, BulkNamesTheLineOfEveryRefusal) {
  serve();
  type("1\nnot json\n\n\"bad\"\n5\n");

  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .file = "-"}), ExitCode::kFailed);

  EXPECT_EQ(out(), "enqueued 2 jobs (2 refused)\n");
  EXPECT_THAT(err(), HasSubstr("line 2: the payload is not JSON"));
  EXPECT_THAT(err(), HasSubstr("line 4: no good"));
}

TEST_F(EnqueueTest, BulkFindsTheJobThatSpoilsABatch) {
  serve();
  type("1\n2\n\"poison\"\n4\n5\n");

  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .file = "-"}), ExitCode::kFailed);

  EXPECT_EQ(out(), "enqueued 4 jobs (1 refused)\n");
  EXPECT_THAT(err(), HasSubstr("line 3: malformed"));
}

TEST_F(EnqueueTest, BulkResumesUnderTheKeysOfTheFirstTry) {
  serve();
  type("1\n");

  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .file = "-", .resume_key = "earlier"}),
            ExitCode::kOk);

  EXPECT_THAT(transport_.requests.back().body, HasSubstr(R"("idempotencyKey":"earlier-1")"));
}

TEST_F(EnqueueTest, BulkStopsWhereTheQueueAsAWholeRefuses) {
  transport_.otherwise = [](const http::Request&) {
    return problem(404, "not-found", "there is no queue mail");
  };
  type("1\n2\n");

  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .file = "-"}), ExitCode::kFailed);

  EXPECT_EQ(out(), "enqueued 0 jobs (2 refused)\n");
  EXPECT_EQ(transport_.requests.size(), 1u);
}

TEST_F(EnqueueTest, AFileThatIsNotThereIsTheCommandLinesFault) {
  EXPECT_EQ(execute(EnqueueCommand{.queue = "mail", .file = "/no/such/file"}), ExitCode::kUsage);
  EXPECT_THAT(err(), HasSubstr("/no/such/file"));
}

}  // namespace
}  // namespace sluice::cli
