// A real worker, its handlers and a real broker: the exec contract of DESIGN.md §3.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include "common/base/clock.h"
#include "tests/integration/broker_fixture.h"
#include "tests/integration/worker_process.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Runs the payload, a JSON string without escapes, as a shell script.
constexpr const char* kRunPayload = R"(read -r script; script=${script#\"}; eval "${script%\"}")";
constexpr const char* kUntilGo = "until [ -e $GO ]; do sleep 0.05; done";

std::string read_whole(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

class Worker : public BrokerTest {
 protected:
  WorkerProcess::Start start(const std::string& script, std::vector<std::string> options = {}) {
    return {.broker_url = broker_.url(),
            .script = script,
            .options = std::move(options),
            .environment = {"GO=" + go_.string(), "OUT=" + folder_.path().string()}};
  }

  void go() { std::ofstream(go_) << "go"; }
  Json ended(const std::string& id) {
    EXPECT_TRUE(eventually([&] { return !api_.job(id).member("finishedAt").is_null(); }));
    return api_.job(id).body;
  }
  bool becomes(const std::string& id, const std::string& state) {
    return eventually([&] { return state_of(id) == state; });
  }

  const std::filesystem::path go_ = folder_.path() / "go";
};

TEST_F(Worker, TheHandlerGetsThePayloadsBytesAndTheFactsOfTheJob) {
  const std::string payload = R"({"a": 1.0e2 ,"ü":"\u00fc"})";
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const std::string id =
      api_.post("/jobs", R"({"payload":)" + payload + "}", {{"traceparent", trace}}).body["id"];

  WorkerProcess worker(start("cat > $OUT/stdin; env > $OUT/env"));

  Json job = ended(id);
  EXPECT_EQ(job["state"], "Succeeded") << job;
  EXPECT_TRUE(job["result"].is_null());
  EXPECT_EQ(read_whole(folder_.path() / "stdin"), payload);
  const std::string environment = read_whole(folder_.path() / "env");
  EXPECT_THAT(environment, HasSubstr("SLUICE_JOB_ID=" + id + "\n"));
  EXPECT_THAT(environment, HasSubstr("SLUICE_QUEUE=q\n"));
  EXPECT_THAT(environment, HasSubstr("SLUICE_ATTEMPT=1\n"));
  EXPECT_THAT(environment, HasSubstr("SLUICE_DEADLINE=2"));
  EXPECT_THAT(environment, HasSubstr("TRACEPARENT=" + trace + "\n"));
}

TEST_F(Worker, WhatAHandlerPrintsIsTheResult) {
  const std::pair<const char*, Json> cases[] = {{"echo [1,2]", {1, 2}},
                                                {"echo plain text", "plain text"},
                                                {"true", nullptr},
                                                {"echo oops >&2; echo 7", 7}};
  WorkerProcess worker(start(kRunPayload, {"--concurrency", "2"}));

  for (const auto& [script, result] : cases) {
    SCOPED_TRACE(script);
    Json job = ended(api_.enqueue_payload(script));
    EXPECT_EQ(job["state"], "Succeeded");
    EXPECT_EQ(job["result"], result);
  }
}

TEST_F(Worker, HowAHandlerEndsDecidesWhetherItRunsAgain) {
  Json backoff = {{"initialSeconds", 1}, {"maxSeconds", 1}};
  ASSERT_EQ(api_.put_queue({{"retry", {{"maxAttempts", 2}, {"backoff", backoff}}}}).status, 200);
  struct Case {
    const char* script;
    int timeout_seconds;
    int attempts;
    const char* reason;
    const char* message;
  };
  const Case cases[] = {
      {"echo not worth it >&2; exit 65", 300, 1, "ExitCode", "not worth it"},
      {"exit 66", 300, 1, "ExitCode", "66"},
      {"echo first >&2; echo last >&2; exit 1", 300, 2, "ExitCode", "last"},
      {"kill -SEGV $$", 300, 2, "Signal", "SIGSEGV"},
      {"sleep 1000", 1, 2, "Timeout", "1 s"},
      {"printf %03000d 0", 300, 2, "ResultTooLarge", "2000"},
  };
  WorkerProcess worker(start(kRunPayload, {"--concurrency", "6", "--max-result-bytes", "2000"}));
  std::vector<std::string> ids;
  for (const Case& c : cases) {
    Json job = {{"payload", c.script}, {"timeoutSeconds", c.timeout_seconds}};
    ids.push_back(api_.enqueue(job).body["id"]);
  }

  for (std::size_t i = 0; i < ids.size(); ++i) {
    SCOPED_TRACE(cases[i].script);
    Json job = ended(ids[i]);
    EXPECT_EQ(job["state"], "Dead");
    EXPECT_EQ(job["attempts"], cases[i].attempts);
    EXPECT_EQ(job["error"]["reason"], cases[i].reason);
    EXPECT_THAT(job["error"].value("message", ""), HasSubstr(cases[i].message));
  }
}

TEST_F(Worker, ProgressIsSeenWhileTheJobRuns) {
  ASSERT_EQ(api_.put_queue({{"leaseSeconds", 1}}).status, 200);
  const std::string id = api_.enqueue_payload(1);
  WorkerProcess worker(start(std::string("echo 0.4 half way >&3; ") + kUntilGo));

  const bool seen = eventually([&] {
    return api_.job(id).member("progress") == Json({{"ratio", 0.4}, {"message", "half way"}});
  });

  EXPECT_TRUE(seen);
  go();
  EXPECT_EQ(ended(id)["state"], "Succeeded");
}

TEST_F(Worker, AJobThatEndsWhileTheBrokerIsAwayIsSettledOnce) {
  const std::string id = api_.enqueue_payload(1);
  WorkerProcess worker(
      start(std::string(kUntilGo) + "; echo run >> $OUT/runs; echo '\"made it\"'"));
  ASSERT_TRUE(becomes(id, "Running"));

  broker_.kill9();
  go();
  ASSERT_TRUE(eventually([&] { return worker.process().descendants().empty(); }));
  broker_.start();

  Json job = ended(id);
  EXPECT_EQ(job["result"], "made it");
  EXPECT_EQ(job["attempts"], 0);
  EXPECT_EQ(job["leaseLosses"], 0);
  EXPECT_EQ(read_whole(folder_.path() / "runs"), "run\n");
}

// SURVIVAL 28
TEST_F(Worker, SigtermLetsTheRunningJobFinishAndTakesNoOther) {
  const std::string running = api_.enqueue_payload(1);
  WorkerProcess worker(start(kUntilGo));
  ASSERT_TRUE(becomes(running, "Running"));

  worker.process().signal(SIGTERM);
  // Once it says that it drains, it claims no more.
  ASSERT_TRUE(eventually([&] {
    Json workers = api_.queue_status().body["workers"];
    return workers.size() == 1 && workers[0]["draining"] == true && workers[0]["holding"] == 1;
  }));
  const std::string waiting = api_.enqueue_payload(2);
  go();

  const auto end = worker.process().wait();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0) << worker.process().report();
  EXPECT_EQ(state_of(running), "Succeeded");
  EXPECT_EQ(state_of(waiting), "Ready");
}

// SURVIVAL 28
TEST_F(Worker, WhatIsNotDoneWithinTheGraceIsHandedBack) {
  const std::string id = api_.enqueue_payload(1);
  WorkerProcess worker(
      start("trap '' TERM; while :; do sleep 0.1; done", {"--grace-seconds", "2"}));
  ASSERT_TRUE(becomes(id, "Running"));

  const auto end = worker.terminate();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0) << worker.process().report();
  Json job = api_.job(id).body;
  EXPECT_EQ(job["state"], "Ready");
  EXPECT_EQ(job["releases"], 1);
  EXPECT_EQ(job["attempts"], 0);
  EXPECT_EQ(job["leaseLosses"], 0);
  EXPECT_THAT(worker.process().descendants(), IsEmpty());
}

TEST_F(Worker, ADrainByTheBrokerIsObeyedReportedAndUndone) {
  ASSERT_EQ(api_.put_queue({{"leaseSeconds", 1}}).status, 200);
  const std::string first = api_.enqueue_payload(1);
  WorkerProcess worker(start("true"));
  ASSERT_TRUE(becomes(first, "Succeeded"));

  ASSERT_EQ(api_.post("/workers/w:drain").status, 200);
  ASSERT_TRUE(eventually([&] {
    Json workers = api_.queue_status().body["workers"];
    return workers.size() == 1 && workers[0]["draining"] == true && workers[0]["holding"] == 0;
  }));
  const std::string second = api_.enqueue_payload(2);
  EXPECT_EQ(state_of(second), "Ready");

  ASSERT_EQ(api_.post("/workers/w:undrain").status, 200);
  EXPECT_TRUE(becomes(second, "Succeeded"));
}

TEST_F(Worker, CancelEndsTheHandlersWholeGroupAlsoOneThatIgnoresSigterm) {
  ASSERT_EQ(api_.put_queue({{"leaseSeconds", 1}}).status, 200);
  const std::string id = api_.enqueue_payload(1);
  WorkerProcess worker(start("trap '' TERM; sleep 1000 & echo 0.1 >&3; wait; sleep 1000"));
  ASSERT_TRUE(eventually([&] { return worker.process().descendants().size() >= 2; }));

  ASSERT_EQ(api_.send("DELETE", api_.queue_path() + "/jobs/" + id).status, 202);

  EXPECT_EQ(ended(id)["state"], "Cancelled");
  EXPECT_TRUE(eventually([&] { return worker.process().descendants().empty(); }));
  EXPECT_TRUE(worker.process().is_running());
}

TEST_F(Worker, AWorkerOfSoManyJobsEndsAfterThem) {
  for (int i = 0; i < 3; ++i) api_.enqueue_payload(i);
  WorkerProcess worker(start("true", {"--max-jobs", "2", "--concurrency", "2"}));

  const auto end = worker.process().wait();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0);
  EXPECT_EQ(api_.jobs("state=Succeeded").size(), 2u);
  EXPECT_EQ(api_.figures()["ready"], 1);
}

// SURVIVAL 23. Its log's reader is gone: neither the worker nor what it runs ends.
TEST_F(Worker, OutlivesTheReaderOfItsLog) {
  // A shell's pipeline whose reader ends at the worker's first word.
  WorkerProcess::Start unread =
      start("if [ -e $GO ]; then exit 65; fi; touch $OUT/begun; " + std::string(kUntilGo));
  unread.launcher = {"/bin/sh", "-c", "{ \"$0\" \"$@\" 2>&1 >&3 | head -c 1 >/dev/null; } 3>&1"};
  WorkerProcess worker(unread);
  const std::string first = api_.post("/jobs", R"({"payload":1})").body["id"];
  // A job that runs is a claimed one: its handler may be about to start.
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(folder_.path() / "begun"); }));

  go();

  EXPECT_EQ(ended(first)["state"], "Succeeded");
  for (int i = 0; i < 2; ++i) {  // each is a line in the log
    const std::string failing = api_.post("/jobs", R"({"payload":1})").body["id"];
    EXPECT_EQ(ended(failing)["state"], "Dead");
  }
}

}  // namespace
}  // namespace sluice::testing
