// The operator ended before and after each of its writes to the API server in turn: the end is
// always that of an undisturbed run (SURVIVAL 6).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/integration/kube/fault_fixture.h"
#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

constexpr int kRunsAtOnce = 6;
// Events tell of changes and are lost with the process that wanted to: they are no state.
const ProxyMatch kWrites{.path_lacks = "/events", .writes = true};

// What is left of a run, without names and times that differ in each.
struct Outcome {
  Json settled;  // when all jobs have ended
  Json after;    // when the queue is gone
  int writes = 0;
  int kills = 0;
};

// One life of a queue with everything in it. The operator is started again whenever it has ended.
class Scenario {
 public:
  Scenario(Cluster& cluster, const std::string& broker_url)
      : scene_(cluster, broker_url), operator_(scene_.setup()) {}

  // The nth write from now on does not reach the server, or its answer not the operator.
  void kill_at_write(int n, bool is_done) {
    ProxyMatch nth = kWrites;
    nth.skip = n - 1;
    const auto kill = [this] { operator_.kill9_now(); };
    scene_.proxy().on(nth, is_done ? Fault::cut_answer(kill) : Fault::cut(kill));
  }

  // `wanted`: the end that this run is to reach; absent for the undisturbed one.
  Outcome run(const Outcome* wanted = nullptr) {
    declare();
    const bool is_started = work();
    EXPECT_TRUE(is_started);
    Outcome outcome;
    if (!is_started) return outcome;
    outcome.settled = end_state(wanted ? &wanted->settled : nullptr);
    scene_.remove(scene_.path("jobs", "good"));
    scene_.remove(scene_.path("jobs", "later"));
    await("the deleted job's end", [&] { return count("Scheduled") == 0; });
    scene_.remove(scene_.path("queues", "q"));
    await("the queue's end", [&] { return scene_.broker_queue_status() == 404; });
    await("its pods' end", [&] { return scene_.pods().empty(); });
    outcome.after = end_state(wanted ? &wanted->after : nullptr);
    outcome.writes = scene_.proxy().count(kWrites);
    outcome.kills = kills_;
    return outcome;
  }

 private:
  void declare() {
    scene_.make_queue(2);
    for (const char* name : {"good", "bad"}) scene_.make_job(name);
    scene_.make("jobs", {{"metadata", {{"name", "later"}}},
                         {"spec", {{"queue", "q"}, {"payload", 1}, {"delaySeconds", 36'000}}}});
    scene_.make(
        "schedules",
        {{"metadata", {{"name", "s"}, {"annotations", {{"sluice.dev/trigger", "once"}}}}},
         {"spec",
          {{"schedule", "0 0 1 1 *"},
           {"jobTemplate", {{"spec", {{"queue", "q"}, {"payload", {{"job", "tick"}}}}}}}}}});
  }

  // Plays the node and its workers.
  bool work() {
    if (!await("pods", [&] { return scene_.pods().size() == 2; })) return false;
    for (Json& pod : scene_.pods()) {
      const std::string name = pod["metadata"]["name"];
      scene_.patch(
          scene_.pods_path(name) + "/status",
          {{"status",
            {{"phase", "Running"}, {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}});
    }
    await("the jobs in the broker", [&] { return count("Ready") == 3 && count("Scheduled") == 1; });
    Json pod = scene_.pods()[0];
    const std::string uid = pod["metadata"]["uid"];
    std::vector<Json> claimed;
    for (int i = 0; i < 3; ++i) claimed.push_back(scene_.claim(pod["metadata"]["name"], uid));
    for (const char* name : {"good", "bad"}) await_state(name, "Running");
    for (const Json& one : claimed) {
      const bool is_bad = one.is_object() && one.value("payload", Json()) == Json{{"job", "bad"}};
      const Json failed = {{"outcome", "Failed"},
                           {"error", {{"reason", "T"}, {"message", "m"}, {"retry", "Never"}}}};
      EXPECT_TRUE(one.is_object() &&
                  scene_.settle(one, is_bad ? failed : Json{{"outcome", "Succeeded"}}));
    }
    await_state("good", "Succeeded");
    await_state("bad", "Dead");
    await_state("later", "Scheduled");
    await("the schedule's status",
          [&] { return scene_.get(scene_.path("schedules", "s"))["status"].contains("recent"); });
    // An operator that has just come back says Unknown until it has met the broker.
    return await("ready workers", [&] {
      const std::string queue = scene_.path("queues", "q");
      return scene_.condition(queue, "Ready").starts_with("True/") &&
             scene_.condition(queue, "WorkersAvailable").starts_with("True/") &&
             scene_.get(scene_.path("queues", "q"))["spec"].value("replicas", 0) == 2;
    });
  }

  bool await(const char* what, const std::function<bool()>& fact) {
    const bool came = eventually([&] {
      if (operator_.revive()) ++kills_;
      return fact();
    });
    EXPECT_TRUE(came) << what << "\n" << state().dump(1) << "\n" << operator_.report();
    return came;
  }
  void await_state(const std::string& job, const std::string& state) {
    await((job + " " + state).c_str(), [&] { return scene_.job_state(job) == state; });
  }
  long count(const std::string& state) {
    const auto jobs = scene_.broker_jobs();
    return std::count_if(jobs.begin(), jobs.end(),
                         [&](const Json& one) { return one.value("state", "") == state; });
  }

  // Why a size is kept depends on scaling's memory of the last seconds, which a crash may take.
  static Json conditions_of(Json object) {
    Json all = Json::object();
    for (Json& one : object["status"]["conditions"]) {
      const std::string type = one.value("type", "");
      all[type] = one.value("status", "");
      if (type != "Scaling") all[type + " because"] = one.value("reason", "");
    }
    return all;
  }

  // An operator that ends once more near the end passes through Unknown again.
  Json end_state(const Json* wanted) {
    Json last = state();
    if (wanted == nullptr) return last;
    static_cast<void>(eventually([&] {
      if (operator_.revive()) ++kills_;
      last = state();
      return last == *wanted;
    }));
    return last;
  }

  Json state() {
    Json all;
    for (const char* plural : {"queues", "jobs", "schedules"}) {
      for (Json& one : scene_.list(scene_.path(plural))) {
        Json& kept = all[plural][one["metadata"]["name"].get<std::string>()];
        kept["conditions"] = conditions_of(one);
        kept["state"] = one["status"]["state"];
        kept["attempts"] = one["status"]["attempts"];
        kept["leaseLosses"] = one["status"]["leaseLosses"];
        kept["replicas"] = one["spec"]["replicas"];
        kept["recent"] = one["status"]["recent"].size();
      }
    }
    std::vector<std::string> pods;
    for (Json& pod : scene_.pods()) {
      const std::string name = pod["metadata"]["name"];
      pods.push_back(name.substr(name.rfind('-')));
    }
    std::sort(pods.begin(), pods.end());
    all["pods"] = pods;
    std::vector<std::string> jobs;
    for (Json& one : scene_.broker_jobs()) {
      jobs.push_back(one.value("state", "") + " " + std::to_string(one.value("attempts", 0)));
    }
    std::sort(jobs.begin(), jobs.end());
    all["broker"] = jobs;
    return all;
  }

  FaultScene scene_;
  OperatorProcess operator_;
  int kills_ = 0;
};

class CrashAtEachWrite : public FaultTest {};

// SURVIVAL 6
TEST_F(CrashAtEachWrite, ReachesTheSameEnd) {
  Outcome calm;
  {
    calm = Scenario(cluster_, broker_->url()).run();
  }
  ASSERT_GT(calm.writes, 10);

  std::atomic<int> next{0};
  std::atomic<int> kills{0};
  const auto run_some = [&] {
    for (int i = next++; i < 2 * calm.writes; i = next++) {
      const int n = i / 2 + 1;
      const bool is_done = i % 2 == 1;
      SCOPED_TRACE((is_done ? "ended after write " : "ended before write ") + std::to_string(n));
      Scenario scenario(cluster_, broker_->url());
      scenario.kill_at_write(n, is_done);
      const Outcome outcome = scenario.run(&calm);
      kills += outcome.kills;
      EXPECT_EQ(outcome.settled, calm.settled);
      EXPECT_EQ(outcome.after, calm.after);
    }
  };
  std::vector<std::thread> runs;
  for (int i = 0; i < kRunsAtOnce; ++i) runs.emplace_back(run_some);
  for (std::thread& one : runs) one.join();

  // The number of status writes differs a little from run to run.
  EXPECT_GT(kills, calm.writes);
  std::printf("%d writes, %d crashes\n", calm.writes, kills.load());
}

}  // namespace
}  // namespace sluice::testing
