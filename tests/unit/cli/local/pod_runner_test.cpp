#include "cli/local/pod_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "cli/local/manifest_set.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/cli/local/fake_processes.h"
#include "tests/unit/cli/local/temporary_folder.h"

namespace sluice::local {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class PodRunnerTest : public ::testing::Test {
 protected:
  PodRunnerTest()
      : loop_(std::move(*EventLoop::make(clock_))),
        runner_(*loop_, processes_, store_,
                {.worker_program = "bin/sluice-worker",
                 .manifest_folder = "/manifests",
                 .log_folder = folder_.path(),
                 .complain = [this](const std::string& line) { complaints_.push_back(line); }}) {
    runner_.start();
  }

  // Until every event of the store was handled.
  void settle() {
    store_.wait_delivered();
    loop_->run_once(Duration::zero());
  }
  op::Object create_pod(const op::LocalPod& spec) {
    op::Object pod;
    pod.key = {op::ObjectKind::kPod, "default", "mail-abc-0"};
    pod.spec_json = op::encode(spec);
    auto created = store_.create(pod);
    settle();
    return *created;
  }
  op::PodStatus status(const op::Object& pod) {
    return op::decode_pod_status(store_.get(pod.key)->status_json);
  }
  static op::LocalPod mail() {
    op::LocalPod spec;
    spec.namespace_name = "default";
    spec.queue = "mail";
    spec.broker_url = "http://127.0.0.1:7070";
    spec.command = {"./send", "--fast"};
    spec.concurrency = 3;
    spec.grace_seconds = 40;
    spec.env = {{"REGION", "north"}};
    return spec;
  }

  sluice::testing::TemporaryFolder folder_;
  sluice::testing::ManualClock clock_;
  sluice::testing::FakeProcesses processes_;
  op::MemoryObjectStore store_{clock_, 1};
  std::unique_ptr<EventLoop> loop_;
  std::vector<std::string> complaints_;
  PodRunner runner_;
};

TEST_F(PodRunnerTest, StartsAWorkerForAPod) {
  const op::Object pod = create_pod(mail());

  ASSERT_THAT(processes_.started, SizeIs(1));
  const Command& command = processes_.started[0].command;
  EXPECT_THAT(command.argv,
              ElementsAre("bin/sluice-worker", "--broker", "http://127.0.0.1:7070", "--namespace",
                          "default", "--queue", "mail", "--name", "mail-abc-0", "--instance",
                          pod.uid, "--concurrency", "3", "--max-jobs", "0", "--grace-seconds", "40",
                          "--exit-with-parent", "--", "./send", "--fast"));
  EXPECT_EQ(command.env.at("REGION"), "north");
  EXPECT_EQ(status(pod).phase, op::PodPhase::kRunning);
  EXPECT_FALSE(status(pod).ready);
}

TEST_F(PodRunnerTest, AWorkerOfAnHttpHandlerIsToldItsPort) {
  op::LocalPod spec = mail();
  spec.command.clear();
  spec.http_port = 8080;
  spec.http_path = "/jobs";

  create_pod(spec);

  const auto& argv = processes_.started[0].command.argv;
  const std::vector<std::string> tail(argv.end() - 5, argv.end());
  EXPECT_THAT(tail,
              ElementsAre("--exit-with-parent", "--http-port", "8080", "--http-path", "/jobs"));
}

TEST_F(PodRunnerTest, AWorkerOfAnHttpHandlerIsToldWhatToPost) {
  op::LocalPod spec = mail();
  spec.command.clear();
  spec.http_port = 8080;
  spec.http_path = "/";
  spec.http_body = "payload-and-parents";

  create_pod(spec);

  const auto& argv = processes_.started[0].command.argv;
  const std::vector<std::string> tail(argv.end() - 2, argv.end());
  EXPECT_THAT(tail, ElementsAre("--http-body", "payload-and-parents"));
}

TEST_F(PodRunnerTest, RunsInTheFolderOfTheQueuesManifest) {
  op::Object queue;
  queue.key = {op::ObjectKind::kQueue, "default", "mail"};
  queue.annotations[kManifestAnnotation] = "post/queue.yaml";
  ASSERT_TRUE(store_.create(queue));
  op::LocalPod spec = mail();
  spec.working_dir = "handlers";

  create_pod(spec);

  EXPECT_EQ(processes_.started[0].command.working_folder, "/manifests/post/handlers");
}

TEST_F(PodRunnerTest, IsReadyOnceTheWorkerSaysSo) {
  const op::Object pod = create_pod(mail());

  processes_.print(1, "not ready yet");
  EXPECT_FALSE(status(pod).ready);
  processes_.print(1, "ready");

  EXPECT_TRUE(status(pod).ready);
  const auto workers = runner_.workers().at({"default", "mail"});
  EXPECT_EQ(workers.ready, 1);
  EXPECT_EQ(workers.wanted, 1);
}

TEST_F(PodRunnerTest, AWorkerWhoseHandlerBrokeIsNotReadyAndSaysWhy) {
  const op::Object pod = create_pod(mail());
  processes_.print(1, "ready");

  processes_.print(1, "not ready: ./send: it is empty");
  EXPECT_FALSE(status(pod).ready);
  EXPECT_EQ(status(pod).waiting_reason, "HandlerNotFound");
  EXPECT_EQ(status(pod).waiting_message, "./send: it is empty");

  processes_.print(1, "ready");
  EXPECT_TRUE(status(pod).ready);
  EXPECT_EQ(status(pod).waiting_reason, "");
}

TEST_F(PodRunnerTest, EndedWorkerEndsThePodAndWhatItLeftBehind) {
  struct Case {
    const char* name;
    ProcessEnd end;
    op::PodPhase phase;
    int exit_code;
  };
  const Case cases[] = {
      {"succeeded", {.exit_code = 0, .signal = {}}, op::PodPhase::kSucceeded, 0},
      {"failed", {.exit_code = 2, .signal = {}}, op::PodPhase::kFailed, 2},
      {"killed", {.exit_code = {}, .signal = SIGKILL}, op::PodPhase::kFailed, 137},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const op::Object pod = create_pod(mail());
    processes_.end(static_cast<Pid>(processes_.started.size()), c.end);

    EXPECT_EQ(status(pod).phase, c.phase);
    EXPECT_EQ(status(pod).exit_code, c.exit_code);
    EXPECT_EQ(processes_.killed_marks.back(), std::string(PodRunner::kMark) + "=" + pod.uid);
    EXPECT_EQ(runner_.running(), 0u);

    ASSERT_TRUE(store_.remove(pod.key, pod.uid));
    settle();
    EXPECT_FALSE(store_.get(pod.key)) << "an ended pod goes at once";
    settle();
  }
}

TEST_F(PodRunnerTest, DeletedPodIsToldThenKilledAfterItsGrace) {
  const op::Object pod = create_pod(mail());
  ASSERT_TRUE(store_.remove(pod.key, pod.uid));
  settle();
  EXPECT_THAT(processes_.signals, ElementsAre(std::pair(1, SIGTERM)));
  EXPECT_TRUE(store_.get(pod.key)) << "it stays until its process is gone";

  clock_.advance(std::chrono::seconds{40});
  loop_->run_once(Duration::zero());
  EXPECT_THAT(processes_.signals, ElementsAre(std::pair(1, SIGTERM), std::pair(1, SIGKILL)));

  processes_.end(1, {.exit_code = {}, .signal = SIGKILL});
  EXPECT_FALSE(store_.get(pod.key));
}

TEST_F(PodRunnerTest, WorkerThatCannotStartFailsThePodWithTheReason) {
  processes_.refuse_starts = true;
  const op::Object pod = create_pod(mail());

  EXPECT_EQ(status(pod).phase, op::PodPhase::kFailed);
  EXPECT_THAT(status(pod).end_message, HasSubstr("no such program"));
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("no such program")));
}

TEST_F(PodRunnerTest, WorkersThatFailAlikeAreComplainedOfOnce) {
  const auto fail_one = [&] {
    const op::Object pod = create_pod(mail());
    const auto pid = static_cast<Pid>(processes_.started.size());
    processes_.print(pid, "no such handler");
    processes_.end(pid, {.exit_code = 78, .signal = {}});
    ASSERT_TRUE(store_.remove(pod.key, pod.uid));
    settle();
    settle();
  };

  fail_one();
  fail_one();

  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("no such handler")));
}

TEST_F(PodRunnerTest, VariablesOnlyAClusterKnowsAreNamed) {
  op::LocalPod spec = mail();
  spec.skipped_env = {"TOKEN"};

  create_pod(spec);

  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("TOKEN")));
}

TEST_F(PodRunnerTest, DrainingStartsNothingNew) {
  create_pod(mail());
  runner_.drain();
  EXPECT_THAT(processes_.signals, ElementsAre(std::pair(1, SIGTERM)));

  op::Object late;
  late.key = {op::ObjectKind::kPod, "default", "mail-abc-1"};
  late.spec_json = op::encode(mail());
  ASSERT_TRUE(store_.create(late));
  settle();

  EXPECT_THAT(processes_.started, SizeIs(1));
}

}  // namespace
}  // namespace sluice::local
