// The worker where a pod puts it: in an image that holds nothing else, and as PID 1.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "tests/integration/broker_fixture.h"
#include "tests/integration/worker_process.h"
#include "tests/support/environment.h"
#include "tests/support/loopback_server.h"

namespace sluice::testing {
namespace {

// unshare with what it needs where we are not root.
std::vector<std::string> unshare(std::vector<std::string> options) {
  std::vector<std::string> launcher = {"/usr/bin/unshare"};
  if (geteuid() != 0) launcher.emplace_back("--map-root-user");
  launcher.insert(launcher.end(), options.begin(), options.end());
  launcher.emplace_back("--");
  return launcher;
}

class WorkerInPod : public BrokerTest {
 protected:
  Json ended(const std::string& id) {
    EXPECT_TRUE(eventually([&] { return !api_.job(id).member("finishedAt").is_null(); }));
    return api_.job(id).body;
  }
};

class WorkerInEmptyImage : public WorkerInPod {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "only the builds without sanitizers are static";
    WorkerInPod::SetUp();
    std::filesystem::create_directories(root_);
    std::filesystem::copy_file(program_path("sluice-worker"), root_ / "sluice-worker");
  }

  WorkerProcess::Start start(std::vector<std::string> options) {
    return {.broker_url = broker_.url(),
            .options = std::move(options),
            .launcher = unshare({"--root=" + root_.string()}),
            .program = "/sluice-worker"};
  }

  const std::filesystem::path root_ = folder_.path() / "root";
};

TEST_F(WorkerInEmptyImage, ServesAServer) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    while (peer.read_request(request)) peer.reply(200, request.body);
  });
  WorkerProcess worker(start({"--http-port", std::to_string(server.port())}));

  Json job = ended(api_.enqueue_payload("hello"));

  EXPECT_EQ(job["state"], "Succeeded");
  EXPECT_EQ(job["result"], "hello");
}

TEST_F(WorkerInEmptyImage, RunsTheOneProgramThatIsThere) {
  ASSERT_EQ(api_.put_queue({{"retry", {{"maxAttempts", 1}}}}).status, 200);
  WorkerProcess worker(start({"--", "/sluice-worker", "ready", "/nothing"}));

  Json job = ended(api_.enqueue_payload(1));

  EXPECT_EQ(job["error"]["reason"], "ExitCode");
  EXPECT_EQ(job["error"]["exitCode"], 1);
}

TEST_F(WorkerInEmptyImage, AHandlerThatIsNotThereIsSaidAtOnce) {
  WorkerProcess worker(start({"--", "audit"}));

  const auto end = worker.process().wait();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 78);
  EXPECT_NE(worker.process().errors().find("audit"), std::string::npos);
}

TEST_F(WorkerInPod, InstalledItRunsFromItsNewPlace) {
  const std::string place = folder_.path() / "bin" / "sluice-worker";
  ChildProcess install({.argv = {program_path("sluice-worker").string(), "install", place}});
  const auto installed = install.wait();
  ASSERT_TRUE(installed);
  ASSERT_EQ(installed->exit_code, 0) << install.report();

  WorkerProcess worker({.broker_url = broker_.url(), .script = "cat", .program = place});

  EXPECT_EQ(ended(api_.enqueue_payload("hello"))["result"], "hello");
}

TEST_F(WorkerInPod, TheProbeFindsAnExecWorkerReady) {
  const std::string socket = folder_.path() / "worker.sock";
  const ChildProcess::Start probe = {
      .argv = {program_path("sluice-worker").string(), "ready", socket}};
  WorkerProcess worker(
      {.broker_url = broker_.url(), .script = "cat", .options = {"--socket", socket}});

  EXPECT_TRUE(eventually([&] {
    ChildProcess asked(probe);
    const auto end = asked.wait();
    return end && end->exit_code == 0;
  }));
  worker.terminate();
  EXPECT_FALSE(std::filesystem::exists(socket));
}

class WorkerAsPid1 : public WorkerInPod {
 protected:
  WorkerProcess::Start start(const std::string& script) {
    return {.broker_url = broker_.url(),
            .script = script,
            .environment = {"GO=" + go_.string()},
            .launcher = unshare({"--pid", "--fork", "--kill-child", "--mount-proc"})};
  }
  // The worker itself, below the program that made the namespace.
  static pid_t pid_of(WorkerProcess& worker) {
    for (const pid_t pid : worker.process().descendants()) {
      std::string name;
      std::ifstream("/proc/" + std::to_string(pid) + "/comm") >> name;
      if (name == "sluice-worker") return pid;
    }
    return -1;
  }

  const std::filesystem::path go_ = folder_.path() / "go";
};

TEST_F(WorkerAsPid1, CollectsWhatHandlersLeaveBehind) {
  // The first job leaves a process in a session of its own; the second waits until the first's
  // process number, its payload, is gone from /proc: a dead one that nobody collects stays there.
  WorkerProcess worker(
      start("read -r pid; if [ \"$pid\" = 0 ]; then"
            " setsid sh -c 'until [ -e $GO ]; do sleep 0.05; done' >/dev/null 2>&1 3>&- & echo $!;"
            " else while [ -e /proc/$pid ]; do sleep 0.05; done; echo gone; fi"));
  Json left = ended(api_.enqueue_payload(0))["result"];
  ASSERT_TRUE(left.is_number()) << left;

  std::ofstream(go_) << "go";

  EXPECT_EQ(ended(api_.enqueue_payload(left))["result"], "gone");
}

TEST_F(WorkerAsPid1, StopsWhenTold) {
  WorkerProcess worker(start("cat"));
  ASSERT_NE(worker.process().wait_for_line("ready"), "");
  const pid_t pid = pid_of(worker);
  ASSERT_GT(pid, 0);

  ::kill(pid, SIGTERM);

  const auto end = worker.process().wait();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0);
}

}  // namespace
}  // namespace sluice::testing
