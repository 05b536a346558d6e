// Parents' results in, follow-up jobs out: real handlers, worker and broker (docs/handlers.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/integration/broker_fixture.h"
#include "tests/integration/worker_process.h"
#include "tests/support/loopback_server.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

std::string read_whole(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

class WorkerFollowUp : public BrokerTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(api_.put_queue({{"leaseSeconds", 1}, {"retry", {{"maxAttempts", 1}}}}).status, 200);
  }

  WorkerProcess::Start exec(const std::string& script, std::vector<std::string> options = {}) {
    return {.broker_url = broker_.url(),
            .script = script,
            .options = std::move(options),
            .environment = {"OUT=" + folder_.path().string()}};
  }
  WorkerProcess::Start beside(int port, std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--http-port", std::to_string(port)});
    return {.broker_url = broker_.url(), .options = std::move(options)};
  }

  // A job that has Succeeded with these bytes as its result.
  std::string settled_job(const std::string& result_json) {
    const std::string id = api_.enqueue_payload("parent");
    Json claimed = api_.claim_one("by-hand");
    EXPECT_EQ(claimed["id"], id);
    const Reply reply =
        api_.post("/jobs:settle", R"({"worker":"by-hand","settlements":[{"id":")" + id +
                                      R"(","lease":)" + claimed["lease"].dump() +
                                      R"(,"outcome":"Succeeded","result":)" + result_json + "}]}");
    EXPECT_EQ(reply.body["results"][0]["status"], "ok") << reply.text;
    return id;
  }
  Json ended(const std::string& id) {
    EXPECT_TRUE(eventually([&] { return !api_.job(id).member("finishedAt").is_null(); }));
    return api_.job(id).body;
  }
  std::size_t jobs() { return api_.jobs("limit=1000").size(); }
};

TEST_F(WorkerFollowUp, AHandlerGetsItsParentsResultsByteForByte) {
  std::vector<std::string> parents;
  std::string want = "{";
  for (char letter = 'a'; letter < 'f'; ++letter) {
    const std::string result = R"({"n": 1.0e2 ,"ü":"\u00fc","x":")" +
                               std::string(std::size_t{60} * 1024, letter) + R"("})";
    parents.push_back(settled_job(result));
    want += (want.size() > 1 ? ",\"" : "\"") + parents.back() + "\":" + result;
  }
  want += "}";
  const std::string child = api_.enqueue({{"payload", "child"}, {"dependsOn", parents}}).body["id"];

  WorkerProcess worker(exec("cat <&4 > $OUT/parents"));

  EXPECT_EQ(ended(child)["state"], "Succeeded");
  EXPECT_TRUE(read_whole(folder_.path() / "parents") == want);
}

TEST_F(WorkerFollowUp, AJobWithoutParentsGetsAnEmptyObject) {
  const std::string id = api_.enqueue_payload(1);
  WorkerProcess worker(exec("cat <&4"));

  EXPECT_EQ(ended(id)["result"], Json::object());
}

TEST_F(WorkerFollowUp, WhatAHandlerWritesIsEnqueuedWithItsSuccess) {
  const std::string first = api_.enqueue_payload("first");
  WorkerProcess worker(exec(R"(
    read -r payload
    if [ "$payload" = '"first"' ]; then
      echo '{"payload": ["second", 1.0e2], "labels": {"chain": "1"}}' >&5
      printf '{"payload": "third", "priority": 9}' >&5
    fi
    echo "$payload")"));

  EXPECT_EQ(ended(first)["result"], "first");
  ASSERT_TRUE(eventually([&] { return api_.jobs("state=Succeeded").size() == 3; }));
  const std::vector<Json> labelled = api_.jobs("labels=chain=1");
  ASSERT_EQ(labelled.size(), 1u);
  EXPECT_EQ(api_.job(labelled[0].at("id")).body["result"], Json::parse(R"(["second", 1.0e2])"));
}

TEST_F(WorkerFollowUp, ARunThatFailsBringsNone) {
  const std::string id = api_.enqueue_payload(1);
  WorkerProcess worker(exec("echo '{\"payload\":2}' >&5; echo no >&2; exit 1"));

  EXPECT_EQ(ended(id)["error"]["message"], "no");
  EXPECT_EQ(jobs(), 1u);
}

TEST_F(WorkerFollowUp, WhatCannotBeTakenFailsTheRunAndSaysWhy) {
  struct Case {
    const char* script;
    const char* reason;
    const char* message;
  };
  const Case cases[] = {
      {R"(echo '{"payload":1}' >&5; echo oops >&5)", "BadFollowUp",
       "line 2 of the follow-up jobs: is no JSON object"},
      {R"(for i in 0 1 2 3 4 5 6 7 8 9; do echo '{}{}{}{}{}{}{}{}{}{}{}'; done | sed 's/}/}\n/g' >&5)",
       "BadFollowUp", "a run may enqueue at most 100 jobs"},
      {"head -c 9000000 /dev/zero >&5", "BadFollowUp", "more than 8388608 bytes"},
      {R"(echo '{"payload":1}{"priority":12}' | sed 's/}{/}\n{"payload":2,/' >&5)",
       "FollowUpRefused", "enqueue[1].priority"},
      {R"(echo '{"payload":1,"priorty":2}' >&5)", "FollowUpRefused", "enqueue[0].priorty"},
      {R"(echo '{"payload":1,"queue":"none"}' >&5)", "FollowUpRefused", "enqueue[0].queue"},
      {R"(x=$(head -c 300000 /dev/zero | tr '\0' x); echo "{\"payload\":\"$x\"}" >&5)",
       "FollowUpRefused", "enqueue[0].payload"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.script);
    const std::size_t before = jobs();
    const std::string id = api_.enqueue_payload(1);
    WorkerProcess worker(exec(std::string(c.script) + "; echo 1"));

    Json job = ended(id);

    EXPECT_EQ(job["state"], "Dead");
    EXPECT_EQ(job["attempts"], 1);
    EXPECT_EQ(job["error"]["reason"], c.reason);
    EXPECT_THAT(job["error"].value("message", ""), HasSubstr(c.message));
    EXPECT_EQ(jobs(), before + 1);
  }
}

// SURVIVAL 22, 23. What was written was of a run that nobody settled.
TEST_F(WorkerFollowUp, AWorkerKilledBeforeItSettlesLeavesNone) {
  const std::string id = api_.enqueue_payload(1);
  const std::string script = R"(
    if [ -e $OUT/wrote ]; then echo 2; exit; fi
    echo '{"payload":"of the first run"}' >&5
    touch $OUT/wrote
    while :; do sleep 0.05; done)";
  auto first = std::make_unique<WorkerProcess>(exec(script));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(folder_.path() / "wrote"); }));

  first->kill9();
  first.reset();
  WorkerProcess second(exec(script));

  Json job = ended(id);
  EXPECT_EQ(job["result"], 2);
  EXPECT_EQ(job["leaseLosses"], 1);
  EXPECT_EQ(jobs(), 1u);
}

// The settlement outlives the broker, and brings its follow-up once.
TEST_F(WorkerFollowUp, ComesOnceThoughTheBrokerIsAwayAtTheEndOfTheRun) {
  const std::string id = api_.enqueue_payload("first");
  WorkerProcess worker(exec(R"(
    read -r payload
    [ "$payload" = '"first"' ] || exit 0
    touch $OUT/begun
    until [ -e $OUT/go ]; do sleep 0.05; done
    echo '{"payload":"second"}' >&5)"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(folder_.path() / "begun"); }));

  broker_.kill9();
  std::ofstream(folder_.path() / "go") << "go";
  ASSERT_TRUE(eventually([&] { return worker.process().descendants().empty(); }));
  broker_.start();

  EXPECT_EQ(ended(id)["attempts"], 0);
  EXPECT_TRUE(eventually([&] { return api_.jobs("state=Succeeded").size() == 2; }));
  EXPECT_EQ(jobs(), 2u);
}

// Answers each job with what `answer` makes of its body.
class OutcomeServer {
 public:
  explicit OutcomeServer(std::function<std::string(const std::string& body)> answer)
      : answer_(std::move(answer)) {}
  int port() const { return server_.port(); }

 private:
  std::function<std::string(const std::string&)> answer_;
  LoopbackServer server_{[this](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    while (peer.read_request(request)) {
      const std::string body = answer_(request.body);
      peer.write(
          "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.sluice.outcome+json\r\n"
          "Content-Length: " +
          std::to_string(body.size()) + "\r\n\r\n" + body);
    }
  }};
};

TEST_F(WorkerFollowUp, AServersOutcomeBringsAResultAndFollowUpJobs) {
  OutcomeServer server([](const std::string& body) {
    return body == "\"first\"" ? R"({"result": 7, "enqueue": [{"payload": "second"}]})"
                               : R"({"result": )" + body + "}";
  });
  const std::string first = api_.enqueue_payload("first");
  WorkerProcess worker(beside(server.port()));

  EXPECT_EQ(ended(first)["result"], 7);
  ASSERT_TRUE(eventually([&] { return api_.jobs("state=Succeeded").size() == 2; }));
  for (const Json& job : api_.jobs("limit=1000")) {
    const std::string id = job.at("id");
    EXPECT_EQ(api_.job(id).body["result"], id == first ? Json(7) : Json("second"));
  }
}

TEST_F(WorkerFollowUp, AServersBadOutcomeFailsTheRun) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"result": 1, "enqeue": []})", "enqeue"},
      {R"({"enqueue": [7]})", "enqueue[0]"},
      {R"({"enqueue": [{"payload": 1, "priority": 12}]})", "enqueue[0].priority"}};
  for (const auto& [outcome, message] : cases) {
    SCOPED_TRACE(outcome);
    OutcomeServer server([&](const std::string&) { return outcome; });
    const std::string id = api_.enqueue_payload(1);
    WorkerProcess worker(beside(server.port()));

    Json job = ended(id);

    EXPECT_EQ(job["state"], "Dead");
    EXPECT_THAT(job["error"].value("message", ""), HasSubstr(message));
  }
}

TEST_F(WorkerFollowUp, AServerGetsParentsResultsWhereItsQueueSaysSo) {
  const std::string parent = settled_job(R"({"n": 1.0e2})");
  OutcomeServer server([](const std::string& body) {
    return Json{{"result", body}}.dump();  // the bytes that came, as a string
  });
  {
    const std::string child =
        api_.enqueue({{"payload", "plain"}, {"dependsOn", {parent}}}).body["id"];
    WorkerProcess worker(beside(server.port()));
    EXPECT_EQ(ended(child)["result"], "\"plain\"");
  }
  const std::string child =
      api_.enqueue({{"payload", {{"n", 2}}}, {"dependsOn", {parent}}}).body["id"];
  WorkerProcess worker(beside(server.port(), {"--http-body", "payload-and-parents"}));

  EXPECT_EQ(ended(child)["result"],
            R"({"payload":{"n":2},"parents":{")" + parent + R"(":{"n": 1.0e2}}})");
}

}  // namespace
}  // namespace sluice::testing
