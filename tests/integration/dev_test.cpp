// `sluice dev` and the command line against it (DESIGN.md §4).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/integration/api_client.h"
#include "tests/support/child_process.h"
#include "tests/support/environment.h"
#include "tests/support/loopback_server.h"
#include "tests/support/temporary_folder.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kQueue = R"(apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: work}
spec:
  worker:
    handler: {exec: {command: ["./handler.sh"]}}
    concurrency: 2
  scaling:
    maxReplicas: 2
    backlogPerWorker: 2
    idleSeconds: 1
    scaleDown: {stabilizationSeconds: 1}
  retry: {maxAttempts: 2, backoff: {initialSeconds: 1, maxSeconds: 1}}
  leaseSeconds: 2
  timeoutSeconds: 60
)";

// Runs the payload, a JSON string without escapes, as a shell script.
constexpr const char* kHandler = R"(#!/bin/sh
read -r script; script=${script#\"}
echo "$SLUICE_JOB_ID" >> runs
eval "${script%\"}"
)";

constexpr const char* kUntilGo = "until [ -e go ]; do sleep 0.05; done";

std::string job_manifest(const std::string& name, const std::string& script) {
  return "---\napiVersion: sluice.dev/v1alpha1\nkind: Job\nmetadata: {name: " + name +
         "}\nspec:\n  queue: work\n  payload: '" + script + "'\n";
}

std::string read_whole(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

// The process of this program among those that descend from `process`; 0 when there is none.
pid_t find_program(const ChildProcess& process, const char* program) {
  for (const pid_t pid : process.descendants()) {
    std::error_code error;
    const auto path = std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", error);
    if (path.filename() == program) return pid;
  }
  return 0;
}

class Dev : public ::testing::Test {
 protected:
  void SetUp() override {
    write("queue.yaml", kQueue);
    write("handler.sh", kHandler);
    std::filesystem::permissions(folder_.path() / "handler.sh", std::filesystem::perms::owner_all);
  }
  void TearDown() override {
    if (HasFailure() && dev_) std::cerr << dev_->report() << read_whole(data() / "log/broker.log");
  }

  void write(const std::string& name, const std::string& text) {
    // As an editor does it: never half a file.
    const std::filesystem::path path = folder_.path() / name;
    std::ofstream(path.string() + "~") << text;
    std::filesystem::rename(path.string() + "~", path);
  }
  void go() { write("go", ""); }
  std::filesystem::path data() const { return folder_.path() / ".sluice"; }
  std::string runs() const { return read_whole(folder_.path() / "runs"); }

  void start(std::vector<std::string> options = {}, const std::string& listen = "127.0.0.1:0") {
    std::vector<std::string> argv = {
        program_path("sluice"), "dev", folder_.path(), "--data", data(), "--listen", listen};
    argv.insert(argv.end(), options.begin(), options.end());
    dev_.emplace(ChildProcess::Start{.argv = std::move(argv)});
  }
  void start_serving() {
    start();
    const std::string line = dev_->wait_for_line("listening on ");
    ASSERT_NE(line, "") << dev_->report();
    url_ = line.substr(line.find("http://"));
    api_.emplace(url_, "work");
    ASSERT_TRUE(eventually([&] { return api_->queue_status().status == 200; }));
  }
  // Starts with --until-idle, and waits for the end.
  std::optional<int> run_until_idle() {
    start({"--until-idle"});
    const auto end = dev_->wait();
    return end ? end->exit_code : std::nullopt;
  }

  // `sluice …` on this server, with its output as JSON.
  Json sluice(std::vector<std::string> arguments) {
    std::vector<std::string> argv = {program_path("sluice"), "--server", url_, "-o", "json"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    ChildProcess command({.argv = std::move(argv)});
    const auto end = command.wait();
    EXPECT_TRUE(end && end->exit_code == 0) << command.report();
    Json value = Json::parse(command.output(), nullptr, false);
    EXPECT_FALSE(value.is_discarded()) << command.report();
    return value;
  }
  // The status of the Job resources, by name.
  std::map<std::string, Json> job_statuses() {
    Json reply = sluice({"get", "jobs", "--data", data()});
    std::map<std::string, Json> statuses;
    for (const Json& job : reply.value("jobs", Json::array()))
      statuses[job["name"]] = job["status"];
    return statuses;
  }
  // Null before the resource is there, and before it has a status.
  Json state_of_resource(const std::string& name) {
    Json status = job_statuses()[name];
    return status.is_object() && status.contains("state") ? status["state"] : Json();
  }
  // On standard error.
  bool says(const std::string& text) {
    return eventually([&] { return dev_->errors().find(text) != std::string::npos; });
  }
  bool becomes(const std::string& id, const std::string& state) {
    return eventually([&] { return api_->job(id).member("state") == state; });
  }

  TemporaryFolder folder_;
  std::optional<ChildProcess> dev_;
  std::string url_ = "http://127.0.0.1:1";  // nobody's
  std::optional<ApiClient> api_;
};

TEST_F(Dev, UntilIdleRunsEveryJobAndASecondStartRerunsNone) {
  write("jobs.yaml", job_manifest("good", "echo [1,2]") +
                         job_manifest("dead", "echo hopeless >&2; exit 65") +
                         job_manifest("retried", "[ $SLUICE_ATTEMPT -gt 1 ]"));

  ASSERT_EQ(run_until_idle(), 0);

  auto statuses = job_statuses();
  EXPECT_EQ(statuses["good"]["state"], "Succeeded");
  EXPECT_EQ(statuses["dead"]["state"], "Dead");
  EXPECT_THAT(statuses["dead"].dump(), HasSubstr("hopeless"));
  EXPECT_EQ(statuses["retried"]["state"], "Succeeded");
  EXPECT_EQ(statuses["retried"]["attempts"], 1);
  EXPECT_THAT(dev_->descendants(), IsEmpty());
  const std::string first_runs = runs();
  EXPECT_EQ(std::count(first_runs.begin(), first_runs.end(), '\n'), 4);

  ASSERT_EQ(run_until_idle(), 0);
  EXPECT_EQ(runs(), first_runs);
  EXPECT_EQ(job_statuses()["good"]["state"], "Succeeded");
}

TEST_F(Dev, HandlersGetParentsResultsAndEnqueueFollowUpJobs) {
  write("jobs.yaml",
        job_manifest("parent", "echo [1,2]") +
            job_manifest("child", "cat <&4; echo {\"payload\":\"touch followed\"} >&5") +
            "  dependsOn: [parent]\n");

  ASSERT_EQ(run_until_idle(), 0);

  auto statuses = job_statuses();
  EXPECT_EQ(statuses["child"]["state"], "Succeeded") << statuses["child"];
  EXPECT_THAT(statuses["child"].dump(), HasSubstr("[1,2]"));
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "followed"));
}

TEST_F(Dev, ABrokenFileIsReportedByLineAndFieldWhileTheOthersRun) {
  write("broken.yaml",
        "apiVersion: sluice.dev/v1alpha1\nkind: Queue\nmetadata: {name: broken}\n"
        "spec:\n  timeoutSeconds: soon\n");
  write("jobs.yaml", job_manifest("good", "true"));

  ASSERT_TRUE(run_until_idle());

  EXPECT_THAT(dev_->report(), HasSubstr("broken.yaml:5"));
  EXPECT_THAT(dev_->report(), HasSubstr("spec.timeoutSeconds"));
  EXPECT_EQ(job_statuses()["good"]["state"], "Succeeded");
}

TEST_F(Dev, AChangedFileIsAppliedAndABrokenChangeKeepsTheLastGoodVersion) {
  start_serving();
  const auto timeout_seconds = [&] {
    Json spec = api_->queue_status().member("spec");
    return spec.is_object() ? spec.value("timeoutSeconds", 0) : 0;
  };
  ASSERT_TRUE(eventually([&] { return timeout_seconds() == 60; }));

  std::string changed = kQueue;
  changed.replace(changed.find("timeoutSeconds: 60"), 18, "timeoutSeconds: 61");
  write("queue.yaml", changed);
  EXPECT_TRUE(eventually([&] { return timeout_seconds() == 61; }));

  changed.replace(changed.find("timeoutSeconds: 61"), 18, "timeoutSeconds: -1");
  write("queue.yaml", changed);
  EXPECT_TRUE(
      eventually([&] { return dev_->report().find("spec.timeoutSeconds") != std::string::npos; }));
  write("jobs.yaml", job_manifest("good", "true"));
  EXPECT_TRUE(eventually([&] { return state_of_resource("good") == "Succeeded"; }));
  EXPECT_EQ(timeout_seconds(), 61);
}

// SURVIVAL 28
TEST_F(Dev, CtrlCLetsRunningJobsFinishAndLeavesNothingRunning) {
  start_serving();
  const std::string id = api_->enqueue_payload(std::string(kUntilGo) + "; echo 1");
  ASSERT_TRUE(becomes(id, "Running"));

  dev_->signal(SIGINT);
  ASSERT_NE(dev_->wait_for_line("draining"), "");
  go();

  const auto end = dev_->wait();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0);
  EXPECT_THAT(dev_->descendants(), IsEmpty());
  start_serving();
  EXPECT_EQ(api_->job(id).body["state"], "Succeeded");
}

TEST_F(Dev, ASecondCtrlCEndsEverythingAtOnce) {
  start_serving();
  const std::string id = api_->enqueue_payload("trap : TERM INT; while :; do sleep 1; done");
  ASSERT_TRUE(becomes(id, "Running"));

  dev_->signal(SIGINT);
  ASSERT_NE(dev_->wait_for_line("draining"), "");
  dev_->signal(SIGINT);

  const auto end = dev_->wait();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 1);
  EXPECT_THAT(dev_->descendants(), IsEmpty());
}

// SURVIVAL 20
TEST_F(Dev, AKilledBrokerComesBackAndNothingIsLost) {
  start_serving();
  const std::string running = api_->enqueue_payload(std::string(kUntilGo) + "; echo 1");
  ASSERT_TRUE(becomes(running, "Running"));
  const std::string waiting = api_->enqueue({{"payload", "true"}, {"delaySeconds", 2}}).body["id"];
  const pid_t broker = find_program(*dev_, "sluice-broker");
  ASSERT_NE(broker, 0);

  ::kill(broker, SIGKILL);
  go();

  EXPECT_TRUE(becomes(running, "Succeeded"));
  EXPECT_TRUE(becomes(waiting, "Succeeded"));
  EXPECT_EQ(api_->job(running).body["leaseLosses"], 0);
  EXPECT_EQ(runs(), running + "\n" + waiting + "\n");
  EXPECT_THAT(dev_->report(), HasSubstr("restarting"));
}

// SURVIVAL 10
TEST_F(Dev, AKilledWorkerIsReplaced) {
  start_serving();
  const std::string id = api_->enqueue_payload(kUntilGo);
  ASSERT_TRUE(becomes(id, "Running"));
  const pid_t worker = find_program(*dev_, "sluice-worker");
  ASSERT_NE(worker, 0);

  ::kill(worker, SIGKILL);
  ASSERT_TRUE(eventually([&] { return api_->job(id).member("leaseLosses") == 1; }));
  go();

  EXPECT_TRUE(becomes(id, "Succeeded"));
  EXPECT_NE(find_program(*dev_, "sluice-worker"), worker);
  EXPECT_EQ(api_->job(id).body["leaseLosses"], 1);
}

TEST_F(Dev, WorkersComeWithTheBacklogAndGoWhenItIsGone) {
  start_serving();
  EXPECT_EQ(find_program(*dev_, "sluice-worker"), 0);

  const std::string id = api_->enqueue_payload("true");

  EXPECT_TRUE(becomes(id, "Succeeded"));
  EXPECT_TRUE(eventually([&] { return find_program(*dev_, "sluice-worker") == 0; }));
}

TEST_F(Dev, ACorrectedManifestRunsItsJobsAtOnce) {
  std::string broken = kQueue;
  broken.replace(broken.find("./handler.sh"), 12, "./handler.py");
  write("queue.yaml", broken);
  start_serving();
  const std::string id = api_->enqueue_payload("true");
  ASSERT_TRUE(says("Queue default/work: Stalled: pods fail to start"));
  EXPECT_THAT(dev_->errors(), HasSubstr("./handler.py"));

  write("queue.yaml", kQueue);

  EXPECT_TRUE(becomes(id, "Succeeded"));
}

TEST_F(Dev, AnAddressThatCannotBeListenedOnIsRefusedAtOnceAndOnce) {
  const LoopbackServer taken([](LoopbackPeer&, int) {});
  const std::pair<std::string, std::string> cases[] = {
      {"127.0.0.1:" + std::to_string(taken.port()), "Address already in use"},
      {"here", "--listen: must be ADDRESS:PORT"},
      {"0.0.0.0:0", "refusing to listen on 0.0.0.0"}};
  for (const auto& [listen, why] : cases) {
    SCOPED_TRACE(listen);
    start({}, listen);
    const auto end = dev_->wait();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->exit_code, 1);
    const std::string errors = dev_->errors();
    EXPECT_THAT(errors, StartsWith("sluice dev: "));
    EXPECT_THAT(errors, HasSubstr(why));
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
  }
}

TEST_F(Dev, TheCommandLineSpeaksJson) {
  start_serving();
  EXPECT_EQ(sluice({"pause", "work", "--dispatch"})["figures"]["paused"]["dispatch"], true);

  const std::string id = sluice({"enqueue", "work", R"("exit 65")", "--label", "run=42"})["id"];
  const std::string other =
      sluice({"enqueue", "work", R"("true")", "--idempotency-key", "k"})["id"];
  EXPECT_EQ(sluice({"enqueue", "work", R"("true")", "--idempotency-key", "k"})["id"], other);

  Json job = sluice({"get", "job", id, "--payload"});
  EXPECT_EQ(job["state"], "Ready");
  EXPECT_EQ(job["payload"], "exit 65");
  EXPECT_EQ(job["labels"]["run"], "42");
  EXPECT_EQ(sluice({"get", "jobs", "work", "--state", "Ready"})["jobs"].size(), 2u);
  EXPECT_EQ(sluice({"cancel", "work", other})["state"], "Cancelled");
  sluice({"resume", "work"});

  EXPECT_TRUE(becomes(id, "Dead"));
  Json dead = sluice({"dead", "work"})["jobs"];
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0]["id"], id);
  EXPECT_EQ(dead[0]["error"]["exitCode"], 65);
  EXPECT_EQ(sluice({"get", "queue", "work"})["figures"]["dead"], 1);
  EXPECT_EQ(sluice({"get", "queues"})["queues"].size(), 1u);
}

TEST_F(Dev, TheEndsOfJobsAreWatchedAndWaitedFor) {
  start_serving();
  ChildProcess watching({.argv = {program_path("sluice"), "--server", url_, "watch", "work",
                                  "--jobs", "-o", "json"}});
  // The stream is there when it shows an end; what ended before is not shown.
  std::string seen;
  ASSERT_TRUE(eventually([&] {
    const std::string id = sluice({"enqueue", "work", R"("exit 66")"})["id"];
    EXPECT_EQ(sluice({"get", "job", id, "--wait", "60"})["state"], "Dead");
    seen = watching.output();
    return seen.find(id) != std::string::npos;
  })) << watching.report();
  EXPECT_THAT(seen, HasSubstr(R"("state":"Dead")"));
}

TEST_F(Dev, BackupsAreMadeBesideItsData) {
  start_serving();
  EXPECT_EQ(sluice({"backup", "create", "before"})["name"], "before");
  EXPECT_EQ(sluice({"backup", "list"})["backups"][0]["name"], "before");
  EXPECT_TRUE(std::filesystem::is_directory(data() / "backups" / "before"));
}

TEST_F(Dev, AnAnswerThatCouldNotBeWrittenIsAFailure) {
  start_serving();
  ChildProcess full({.argv = {"/bin/sh", "-c", "exec \"$0\" --server \"$1\" get queues > /dev/full",
                              program_path("sluice"), url_}});

  const auto end = full.wait();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 1);
  EXPECT_EQ(full.errors(), "sluice: cannot write to standard output\n");
}

TEST_F(Dev, ScaleSaysThatItNeedsACluster) {
  ChildProcess scale({.argv = {program_path("sluice"), "scale", "work", "1"},
                      .environment = {"KUBECONFIG=" + (folder_.path() / "none").string()}});

  const auto end = scale.wait();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 1);
  EXPECT_THAT(scale.errors(), HasSubstr("this needs a cluster"));
}

TEST_F(Dev, BulkEnqueueReadsAStreamAndRepeatsNothing) {
  start_serving();
  sluice({"pause", "work", "--dispatch"});
  std::string lines;
  for (int i = 0; i < 2500; ++i) lines += std::to_string(i) + "\n";
  write("jobs.ndjson", lines);
  const std::string file = folder_.path() / "jobs.ndjson";

  sluice({"enqueue", "work", "--file", file, "--resume-key", "bulk"});
  sluice({"enqueue", "work", "--file", file, "--resume-key", "bulk"});

  EXPECT_EQ(api_->figures()["ready"], 2500);
}

}  // namespace
}  // namespace sluice::testing
