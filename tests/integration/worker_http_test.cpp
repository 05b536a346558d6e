// A real worker beside a real server, and a real broker: the http contract of DESIGN.md §3.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <future>

#include "tests/integration/broker_fixture.h"
#include "tests/integration/worker_process.h"
#include "tests/support/environment.h"
#include "tests/support/loopback_server.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

class HttpWorker : public BrokerTest {
 protected:
  WorkerProcess::Start beside(int port, std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--http-port", std::to_string(port), "--socket", socket_});
    return {.broker_url = broker_.url(), .options = std::move(options)};
  }
  ChildProcess::Start pod_command(const char* name) {
    return {.argv = {program_path("sluice-worker").string(), name, socket_}};
  }
  bool is_ready() {
    ChildProcess probe(pod_command("ready"));
    const auto end = probe.wait();
    return end && end->exit_code == 0;
  }

  Json ended(const std::string& id) {
    EXPECT_TRUE(eventually([&] { return !api_.job(id).member("finishedAt").is_null(); }));
    return api_.job(id).body;
  }
  bool becomes(const std::string& id, const std::string& state) {
    return eventually([&] { return state_of(id) == state; });
  }

  const std::string socket_ = folder_.path() / "worker.sock";
};

ChildProcess::Start example_server(int port) {
  const std::filesystem::path sources = required_variable("SLUICE_SOURCE_DIR");
  return {.argv = {"/usr/bin/env", "python3", sources / "examples/http-python/server.py"},
          .environment = {"PORT=" + std::to_string(port)}};
}

// Holds every request until the test opens it; then answers 200 with the job's id.
class HeldServer {
 public:
  int port() const { return server_.port(); }
  int taken() const { return taken_; }
  void open() {
    if (!is_open_.exchange(true)) go_.set_value();
  }
  ~HeldServer() { open(); }

 private:
  std::promise<void> go_;
  std::shared_future<void> went_ = go_.get_future().share();
  std::atomic<bool> is_open_{false};
  std::atomic<int> taken_{0};
  LoopbackServer server_{[this](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    while (peer.read_request(request)) {
      ++taken_;
      went_.wait();
      peer.reply(200, '"' + request.headers["sluice-job-id"] + '"');
    }
  }};
};

TEST_F(HttpWorker, TheExampleServerRunsTheJobs) {
  const int port = unused_port();
  ChildProcess server(example_server(port));
  WorkerProcess worker(beside(port, {"--concurrency", "4"}));

  const std::string counted = api_.enqueue_payload({{"text", "three words here"}});
  const std::string later = api_.enqueue_payload({{"text", "x"}, {"succeedAtAttempt", 2}});
  const std::string refused = api_.enqueue_payload({{"numbers", {1, 2}}});

  EXPECT_EQ(ended(counted)["result"], Json({{"words", 3}, {"job", counted}}));
  Json tried_again = ended(later);
  EXPECT_EQ(tried_again["state"], "Succeeded");
  ASSERT_EQ(tried_again["history"].size(), 1u) << tried_again;
  EXPECT_EQ(tried_again["history"][0]["httpStatus"], 503) << tried_again;
  Json dead = ended(refused);
  EXPECT_EQ(dead["state"], "Dead");
  EXPECT_EQ(dead["attempts"], 1);
  EXPECT_EQ(dead["error"]["reason"], "HttpStatus");
  EXPECT_EQ(dead["error"]["httpStatus"], 422);
  EXPECT_THAT(dead["error"].value("message", ""), HasSubstr("text"));
}

TEST_F(HttpWorker, ClaimsNothingUntilThePortAcceptsConnections) {
  const int port = unused_port();
  WorkerProcess worker(beside(port));
  ASSERT_NE(worker.process().wait_for_line("ready"), "");
  const std::string id = api_.enqueue_payload({{"text", "a b"}});
  EXPECT_FALSE(is_ready());
  EXPECT_EQ(state_of(id), "Ready");

  ChildProcess server(example_server(port));

  Json job = ended(id);
  EXPECT_EQ(job["state"], "Succeeded");
  EXPECT_EQ(job.value("releases", 0), 0);
  EXPECT_EQ(job.value("history", Json::array()).size(), 0u) << job;
  EXPECT_TRUE(is_ready());
}

// A crash of the server is the job's until proved otherwise (SURVIVAL 23); the worker stays.
TEST_F(HttpWorker, AServerThatDiesWithAJobSpendsAnAttempt) {
  const int port = unused_port();
  auto first = std::make_unique<LoopbackServer>(
      [](LoopbackPeer& peer, int) {
        ReceivedRequest request;
        peer.read_request(request);
      },
      port);
  WorkerProcess worker(beside(port));
  const std::string id = api_.enqueue_payload({{"text", "a b c d"}});
  ASSERT_TRUE(eventually([&] { return api_.job(id).member("attempts") == 1; }));
  first.reset();

  ChildProcess server(example_server(port));

  Json job = ended(id);
  EXPECT_EQ(job["state"], "Succeeded");
  EXPECT_EQ(job["result"]["words"], 4);
}

// SURVIVAL 28: the order of endings in a pod.
TEST_F(HttpWorker, ThePreStopHookReturnsAfterTheLastJobAndTheWorkerStaysUntilSigterm) {
  HeldServer server;
  WorkerProcess worker(beside(server.port()));
  const std::string running = api_.enqueue_payload(1);
  ASSERT_TRUE(eventually([&] { return server.taken() == 1; }));

  ChildProcess hook(pod_command("pre-stop"));
  ASSERT_TRUE(
      eventually([&] { return api_.queue_status().member("workers")[0]["draining"] == true; }));
  const std::string waiting = api_.enqueue_payload(2);
  EXPECT_TRUE(hook.is_running());
  EXPECT_EQ(state_of(running), "Running");
  server.open();

  const auto hook_end = hook.wait();
  ASSERT_TRUE(hook_end);
  EXPECT_EQ(hook_end->exit_code, 0);
  EXPECT_TRUE(becomes(running, "Succeeded"));
  EXPECT_TRUE(worker.process().is_running());
  EXPECT_EQ(state_of(waiting), "Ready");
  const auto end = worker.terminate();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0);
}

TEST_F(HttpWorker, AJobThatOutlastsTheGraceIsHandedBack) {
  HeldServer server;
  WorkerProcess worker(beside(server.port(), {"--grace-seconds", "2"}));
  const std::string id = api_.enqueue_payload(1);
  ASSERT_TRUE(eventually([&] { return server.taken() == 1; }));

  const auto end = worker.terminate();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0);
  Json job = api_.job(id).body;
  EXPECT_EQ(job["state"], "Ready");
  EXPECT_EQ(job.value("attempts", 0), 0);
  EXPECT_EQ(job["releases"], 1);
}

TEST_F(HttpWorker, AfterItsLastJobItClaimsNothingAndStays) {
  const int port = unused_port();
  ChildProcess server(example_server(port));
  for (int i = 0; i < 3; ++i) api_.enqueue_payload({{"text", "x"}});
  WorkerProcess worker(beside(port, {"--max-jobs", "2", "--concurrency", "2"}));

  ASSERT_TRUE(eventually([&] {
    Json seen = api_.queue_status().member("workers")[0];
    return seen["draining"] == true && seen["holding"] == 0;
  }));

  EXPECT_EQ(api_.jobs("state=Succeeded").size(), 2u);
  EXPECT_TRUE(worker.process().is_running());
  const auto end = worker.terminate();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0);
}

}  // namespace
}  // namespace sluice::testing
