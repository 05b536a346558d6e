#include "worker/worker.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/temporary_folder.h"
#include "tests/unit/worker/fake_broker.h"

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// A worker on a fake broker, running until its destructor stops it.
class RunningWorker {
 public:
  struct With {
    int concurrency = 1;
    std::int64_t jobs_max = 0;
    Duration grace = 3s;
    std::size_t result_bytes_max = 65536;
    std::string program = "/bin/sh";
  };

  RunningWorker(FakeBroker& broker, const std::string& script, With with)
      : worker_({.identity = {.broker = *http::parse_url(broker.url()),
                              .namespace_name = "demo",
                              .queue = "q",
                              .name = "w-0",
                              .instance = "i"},
                 .handlers = HandlerLoop::Settings{.command = {with.program, {"sh", "-c", script}},
                                                   .environment = {"PATH=/usr/bin:/bin"},
                                                   .queue = "q",
                                                   .result_bytes_max = with.result_bytes_max},
                 .concurrency = with.concurrency,
                 .jobs_max = with.jobs_max,
                 .grace = with.grace},
                clock_, MemoryWatch("/nonexistent")),
        running_([this] { worker_.run(); }) {}
  RunningWorker(FakeBroker& broker, const std::string& script)
      : RunningWorker(broker, script, With{}) {}
  ~RunningWorker() {
    worker_.stop();
    if (running_.joinable()) running_.join();
  }

  void stop() { worker_.stop(); }
  void wait_for_exit() { running_.join(); }
  bool can_start() { return worker_.can_start(); }

 private:
  SystemClock clock_;
  Worker worker_;
  std::thread running_;
};

// Holds handlers up until a test opens it.
class Gate {
 public:
  Gate() {
    char folder[] = "/tmp/sluice-gate-XXXXXX";
    if (mkdtemp(folder) != nullptr) folder_ = folder;
  }
  ~Gate() {
    open();
    std::remove((folder_ + "/open").c_str());
    std::remove(folder_.c_str());
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  std::string wait_script() const {
    return "while [ ! -e " + folder_ + "/open ]; do sleep 0.01; done; ";
  }
  void open() const { std::ofstream(folder_ + "/open").put('1'); }

 private:
  std::string folder_;
};

bool holds_one(const json& report) {
  return report["holding"] == 1;
}

// Waits to be told by signal, as the shell's own `sleep` would outlive a killed shell otherwise.
constexpr const char* kForever = "while :; do sleep 1000; done";

TEST(Worker, RunsWhatItClaimsAndSettlesTheResult) {
  FakeBroker broker;
  broker.add_job("a", {{"payload", {{"n", 1}}}, {"attempt", 3}});
  RunningWorker worker(broker,
                       R"(read p; echo "[$p,\"$SLUICE_JOB_ID $SLUICE_QUEUE $SLUICE_ATTEMPT\"]")");

  ASSERT_TRUE(broker.wait_for_settlements(1));
  const json settled = broker.settlements()[0];
  EXPECT_EQ(settled["id"], "a");
  EXPECT_EQ(settled["lease"], "lease-a");
  EXPECT_EQ(settled["outcome"], "Succeeded");
  EXPECT_EQ(settled["result"], json::parse(R"([{"n":1},"a q 3"])"));
}

TEST(Worker, AFailedRunIsSettledWithItsExitStatusAndLastErrorLines) {
  FakeBroker broker;
  broker.add_job("a");
  RunningWorker worker(broker, "echo no such user >&2; exit 65");

  ASSERT_TRUE(broker.wait_for_settlements(1));
  const json settled = broker.settlements()[0];
  EXPECT_EQ(settled["outcome"], "Failed");
  EXPECT_EQ(settled["error"]["reason"], "ExitCode");
  EXPECT_EQ(settled["error"]["exitCode"], 65);
  EXPECT_EQ(settled["error"]["message"], "no such user");
}

TEST(Worker, RunsAsManyAtOnceAsItHasSlots) {
  // Each run ends only when the other has begun.
  FakeBroker broker;
  char folder[] = "/tmp/sluice-worker-test-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string dir = folder;
  broker.add_job("a");
  broker.add_job("b");
  {
    RunningWorker worker(broker,
                         "touch " + dir + "/$SLUICE_JOB_ID; while [ ! -e " + dir +
                             "/a ] || [ ! -e " + dir + "/b ]; do sleep 0.01; done",
                         {.concurrency = 2});
    EXPECT_TRUE(broker.wait_for_settlements(2));
  }
  for (const char* name : {"/a", "/b"}) std::remove((dir + name).c_str());
  std::remove(folder);
}

TEST(Worker, ARunOverItsTimeFailsWithTimeout) {  // SURVIVAL 22
  FakeBroker broker;
  broker.add_job("a", {{"timeoutSeconds", 1}});
  RunningWorker worker(broker, kForever);

  ASSERT_TRUE(broker.wait_for_settlements(1));
  EXPECT_EQ(broker.settlements()[0]["error"]["reason"], "Timeout");
}

TEST(Worker, ACancelledRunIsKilledThoughItIgnoresSigterm) {
  FakeBroker broker;
  broker.add_job("a");
  broker.answer_extend("a", "cancelled");
  RunningWorker worker(broker, std::string("trap '' TERM; ") + kForever);

  ASSERT_TRUE(broker.wait_for_settlements(1));
  EXPECT_EQ(broker.settlements()[0]["error"]["reason"], "Cancelled");
}

TEST(Worker, ALostRunIsKilledAndNotSettled) {  // SURVIVAL 22
  FakeBroker broker;
  broker.add_job("lost");
  broker.answer_extend("lost", "lost");
  RunningWorker worker(broker, std::string("[ $SLUICE_JOB_ID = next ] || ") + kForever);
  ASSERT_TRUE(broker.wait_for_claims(2));  // the slot is free again

  broker.add_job("next");

  ASSERT_TRUE(broker.wait_for_settlements(1));
  EXPECT_EQ(broker.settlements()[0]["id"], "next");
}

TEST(Worker, HandsJobsBackUntilTheirHandlerCanBeStarted) {
  const sluice::testing::TemporaryFolder folder;
  const std::filesystem::path handler = folder.path() / "handler";
  std::ofstream(handler) << "echo 1";
  std::filesystem::permissions(handler, std::filesystem::perms::owner_all);
  FakeBroker broker;
  broker.add_job("a");
  RunningWorker worker(broker, "", {.program = handler});
  ASSERT_TRUE(broker.wait_for_settlements(1));
  EXPECT_EQ(broker.settlements()[0]["outcome"], "Released");
  EXPECT_FALSE(worker.can_start());

  broker.add_job("b");
  std::ofstream(folder.path() / "next") << "#!/bin/sh\necho 2";
  std::filesystem::permissions(folder.path() / "next", std::filesystem::perms::owner_all);
  std::filesystem::rename(folder.path() / "next", handler);

  ASSERT_TRUE(broker.wait_for_settlements(2));
  EXPECT_EQ(broker.settlements()[1]["id"], "b");
  EXPECT_EQ(broker.settlements()[1]["result"], 2);
}

TEST(Worker, TellsProgress) {
  FakeBroker broker;
  broker.add_job("a");
  RunningWorker worker(broker, std::string("echo 0.4 half way >&3; ") + kForever);

  EXPECT_TRUE(broker.wait_for_report([](const json& report) {
    return !report["leases"].empty() && report["leases"][0].value("progress", json()) ==
                                            json({{"ratio", 0.4}, {"message", "half way"}});
  }));
}

TEST(Worker, WorksOnWhileTheBrokerIsAwayAndSettlesWhenItIsBack) {
  FakeBroker broker;
  const Gate gate;
  broker.add_job("a");
  RunningWorker worker(broker, gate.wait_script() + "echo done");
  ASSERT_TRUE(broker.wait_for_report(holds_one));

  broker.go_away();
  gate.open();
  broker.come_back();

  ASSERT_TRUE(broker.wait_for_settlements(1));
  EXPECT_EQ(broker.settlements()[0]["result"], "done");
}

// SURVIVAL 22, 23. One that claims what it cannot report would run jobs into the dead letters.
TEST(Worker, ClaimsNothingBeforeTheBrokerHearsItsHeartbeats) {
  FakeBroker broker;
  broker.add_job("a");
  broker.hang_up_on("extend");
  RunningWorker worker(broker, "echo 1");

  ASSERT_TRUE(broker.wait_for_hang_ups(3));
  EXPECT_EQ(broker.claims(), 0);

  broker.hang_up_on("extend", false);
  EXPECT_TRUE(broker.wait_for_settlements(1));
}

TEST(Worker, ClaimsNothingMoreWhileItCannotSettle) {
  FakeBroker broker;
  broker.add_job("a");
  broker.hang_up_on("settle");
  RunningWorker worker(broker, "echo 1");

  // A settlement meets at most two: the client tries a kept connection's request once more. With
  // the third the worker has heard of the first failure, and at most one claim is still under way.
  ASSERT_TRUE(broker.wait_for_hang_ups(3));
  broker.add_job("b");
  broker.add_job("c");
  broker.add_job("d");
  ASSERT_TRUE(broker.wait_for_hang_ups(6));
  EXPECT_GE(broker.jobs_left(), 2);

  broker.hang_up_on("settle", false);
  EXPECT_TRUE(broker.wait_for_settlements(4));
}

TEST(Worker, ADrainedWorkerFinishesReportsItAndClaimsAgainAfterwards) {
  FakeBroker broker;
  RunningWorker worker(broker, "true");
  ASSERT_TRUE(broker.wait_for_claims(1));

  broker.set_drain(true);
  EXPECT_TRUE(broker.wait_for_report([](const json& report) {
    return report["draining"] == true && report["holding"] == 0 && report["instance"] == "i";
  }));
  broker.add_job("a");
  EXPECT_EQ(broker.jobs_left(), 1);
  broker.set_drain(false);

  EXPECT_TRUE(broker.wait_for_settlements(1));
}

TEST(Worker, StopFinishesWhatRunsWithinTheGrace) {  // SURVIVAL 28
  FakeBroker broker;
  const Gate gate;
  broker.add_job("a");
  RunningWorker worker(broker, gate.wait_script() + "echo done", {.grace = 60s});
  ASSERT_TRUE(broker.wait_for_report(holds_one));

  worker.stop();
  worker.stop();
  gate.open();
  worker.wait_for_exit();

  ASSERT_EQ(broker.settlements().size(), 1u);
  EXPECT_EQ(broker.settlements()[0]["outcome"], "Succeeded");
}

TEST(Worker, StopHandsBackWhatOutlastsTheGrace) {  // SURVIVAL 28
  FakeBroker broker;
  broker.add_job("a");
  RunningWorker worker(broker, std::string("trap '' TERM; ") + kForever, {.grace = 3s});
  ASSERT_TRUE(broker.wait_for_report(holds_one));

  worker.stop();
  worker.wait_for_exit();

  ASSERT_EQ(broker.settlements().size(), 1u);
  EXPECT_EQ(broker.settlements()[0]["outcome"], "Released");
}

TEST(Worker, StopEndsAnIdleWorkerInItsLongPoll) {
  FakeBroker broker;
  RunningWorker worker(broker, "true", {.grace = 3600s});
  ASSERT_TRUE(broker.wait_for_claims(1));

  worker.stop();
  worker.wait_for_exit();
}

TEST(Worker, LeavesAfterItsLastJob) {
  FakeBroker broker;
  for (const char* id : {"a", "b", "c"}) broker.add_job(id);
  RunningWorker worker(broker, "true", {.concurrency = 8, .jobs_max = 2});

  worker.wait_for_exit();

  EXPECT_EQ(broker.settlements().size(), 2u);
  EXPECT_EQ(broker.jobs_left(), 1);
}

TEST(Worker, HandsOverParentsResultsAndSettlesWithFollowUpJobs) {
  FakeBroker broker;
  broker.add_job("a", {{"parents", {{"p", {{"n", 1}}}}}});
  broker.add_job("b");
  RunningWorker worker(broker,
                       R"(read -r p <&4; echo "$p"; echo "{\"payload\":\"$SLUICE_JOB_ID\"}" >&5)");

  ASSERT_TRUE(broker.wait_for_settlements(2));
  const std::vector<json> settled = broker.settlements();
  EXPECT_EQ(settled[0]["result"], json::parse(R"({"p":{"n":1}})"));
  EXPECT_EQ(settled[0]["enqueue"], json::parse(R"([{"payload":"a"}])"));
  EXPECT_EQ(settled[1]["result"], json::object());
}

TEST(Worker, AFollowUpJobTheBrokerRefusesFailsTheRun) {
  FakeBroker broker;
  broker.refuse_follow_ups();
  broker.add_job("a");
  RunningWorker worker(broker, "echo '{}' >&5; echo 1");

  ASSERT_TRUE(broker.wait_for_settlements(1));
  const json settled = broker.settlements()[0];
  EXPECT_EQ(settled["outcome"], "Failed");
  EXPECT_EQ(settled["error"]["reason"], "FollowUpRefused");
  EXPECT_EQ(settled["error"]["message"],
            "the broker refuses a follow-up job: enqueue[0].x: must be 0 to 9");
  EXPECT_FALSE(settled.contains("enqueue"));
}

TEST(Worker, AResultTheBrokerRefusesBecomesResultTooLarge) {
  FakeBroker broker;
  broker.refuse_results();
  broker.add_job("a");
  RunningWorker worker(broker, "echo 1");

  ASSERT_TRUE(broker.wait_for_settlements(1));
  EXPECT_EQ(broker.settlements()[0]["outcome"], "Failed");
  EXPECT_EQ(broker.settlements()[0]["error"]["reason"], "ResultTooLarge");
}

}  // namespace
}  // namespace sluice::worker
