// kill -9 of brokers and workers while jobs are made and run (SURVIVAL 20, 22, 23).
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "tests/integration/broker_fixture.h"
#include "tests/integration/worker_process.h"

namespace sluice::testing {
namespace {

constexpr int kProducers = 4;
constexpr int kJobsOfAProducer = kSanitized ? 50 : 300;
constexpr int kJobs = kProducers * kJobsOfAProducer;
constexpr int kBlows = 12;

// One line a run, in one write. Every tenth job fails the first time.
constexpr const char* kHandler = R"(
  read -r payload
  echo "$SLUICE_JOB_ID $SLUICE_ATTEMPT" >> "$RUNS"
  case "$SLUICE_ATTEMPT $payload" in "1 "*fails*) exit 1 ;; esac
)";

// What the producers know: the id of every job that was accepted.
class Ledger {
 public:
  void add(const std::string& id) {
    const std::scoped_lock lock(mutex_);
    ids_.push_back(id);
  }
  std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return ids_.size();
  }
  // Requires: every producer is through.
  const std::vector<std::string>& ids() const { return ids_; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> ids_;
};

Json keyed_job(int producer, int number) {
  const std::string key = std::to_string(producer) + "-" + std::to_string(number);
  return {{"payload", {{number % 10 == 0 ? "fails" : "works", number}}}, {"idempotencyKey", key}};
}

// Whatever happens to the broker, the same job is sent until its id is known.
void produce(const std::string& url, int producer, Ledger& ledger) {
  ApiClient api(url);
  for (int number = 0; number < kJobsOfAProducer; ++number) {
    Reply reply;
    const bool accepted = eventually([&] {
      reply = api.enqueue(keyed_job(producer, number));
      return reply.status == 202 || reply.status == 200;
    });
    ASSERT_TRUE(accepted) << reply.status << " " << reply.text;
    ledger.add(reply.body["id"]);
  }
}

std::map<std::string, int> count_runs(const std::filesystem::path& file) {
  std::map<std::string, int> runs;
  std::ifstream lines(file);
  std::string id;
  std::string attempt;
  while (lines >> id >> attempt) ++runs[id];
  return runs;
}

class Crash : public BrokerTest {
 protected:
  void SetUp() override {
    Json backoff = {{"initialSeconds", 1}, {"multiplier", 1}, {"maxSeconds", 1}};
    Json spec = {{"leaseSeconds", 1}, {"retry", {{"maxLeaseLosses", 1000}, {"backoff", backoff}}}};
    ASSERT_EQ(api_.put_queue(spec).status, 200);
  }

  std::size_t count_ended() {
    std::size_t runs = 0;
    for (const auto& [id, count] : count_runs(runs_)) runs += static_cast<std::size_t>(count);
    return runs;
  }

  std::unique_ptr<WorkerProcess> make_worker() {
    return std::make_unique<WorkerProcess>(
        WorkerProcess::Start{.broker_url = broker_.url(),
                             .script = kHandler,
                             .name = "w" + std::to_string(++workers_made_),
                             .options = {"--concurrency", "8"},
                             .environment = {"RUNS=" + runs_.string()}});
  }

  // Ends the broker and the workers in turn, spread evenly over the work.
  void strike(const Ledger& ledger) {
    std::unique_ptr<WorkerProcess> workers[] = {make_worker(), make_worker()};
    for (int blow = 1; blow <= kBlows; ++blow) {
      const auto due = static_cast<std::size_t>(2 * kJobs * blow / (kBlows + 1));
      ASSERT_TRUE(eventually([&] { return ledger.size() + count_ended() >= due; }));
      if (blow % 3 == 0) {
        auto& worker = workers[blow / 3 % 2];
        worker->kill9();
        worker = make_worker();
      } else {
        broker_.kill9();
        broker_.start();
      }
    }
    ASSERT_TRUE(eventually([&] {
      Json figures = api_.figures();
      return ledger.size() == kJobs && figures.value("backlog", -1) == 0 &&
             figures.value("running", -1) == 0 && figures.value("scheduled", -1) == 0;
    })) << api_.figures().dump()
        << ledger.size();
    for (auto& worker : workers) {
      const auto end = worker->terminate();
      ASSERT_TRUE(end);
      EXPECT_EQ(end->exit_code, 0);
    }
  }

  const std::filesystem::path runs_ = folder_.path() / "runs";
  int workers_made_ = 0;
};

TEST_F(Crash, EveryAcceptedJobEndsOnceHoweverOftenBrokerAndWorkersDie) {
  Ledger ledger;
  {
    std::vector<std::jthread> producers;
    for (int producer = 0; producer < kProducers; ++producer) {
      producers.emplace_back([&, producer] { produce(broker_.url(), producer, ledger); });
    }
    strike(ledger);
  }

  const std::set<std::string> ids(ledger.ids().begin(), ledger.ids().end());
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kJobs)) << "two keys got one job";
  std::set<std::string> succeeded;
  int runs_in_all = 0;
  auto runs = count_runs(runs_);
  for (const Json& job : api_.jobs("limit=500")) {
    SCOPED_TRACE(job.dump());
    EXPECT_EQ(job["state"], "Succeeded");
    succeeded.insert(job["id"]);
    const int spent =
        job["leaseLosses"].get<int>() + job["releases"].get<int>() + job["attempts"].get<int>();
    EXPECT_GE(runs[job["id"]], 1);
    EXPECT_LE(runs[job["id"]], 1 + spent) << "a run that no counter knows";
    runs_in_all += runs[job["id"]];
  }
  EXPECT_EQ(succeeded, ids) << "a job was lost, or made twice under one key";
  EXPECT_EQ(runs.size(), ids.size());
  EXPECT_GE(runs_in_all, kJobs + kJobs / 10);
  Json figures = api_.figures();
  for (const char* const figure : {"backlog", "ready", "scheduled", "running", "dead", "bytes"}) {
    SCOPED_TRACE(figure);
    EXPECT_EQ(figures[figure], 0);
  }
  EXPECT_EQ(api_.enqueue(keyed_job(0, 0)).status, 200) << "the key is forgotten";
}

// SURVIVAL 22
TEST_F(Crash, AWorkerThatWakesUpLateChangesNothing) {
  const std::filesystem::path go = folder_.path() / "go";
  const std::vector<std::string> environment = {"GO=" + go.string()};
  const std::string id = api_.enqueue_payload(1);
  WorkerProcess slow({.broker_url = broker_.url(),
                      .script = R"(until [ -e "$GO" ]; do sleep 0.05; done; echo '"late"')",
                      .name = "slow",
                      .environment = environment});
  ASSERT_TRUE(eventually([&] { return state_of(id) == "Running"; }));
  slow.process().signal(SIGSTOP);
  {
    WorkerProcess other(
        {.broker_url = broker_.url(), .script = R"(echo '"good"')", .name = "other"});
    ASSERT_TRUE(eventually([&] { return state_of(id) == "Succeeded"; }));
    ASSERT_TRUE(other.terminate());
  }

  std::ofstream(go) << "go";
  slow.process().signal(SIGCONT);

  // It works on, so that it has heard what became of the first one.
  const std::string next = api_.enqueue_payload(2);
  ASSERT_TRUE(eventually([&] { return state_of(next) == "Succeeded"; }));
  EXPECT_EQ(api_.job(next).body["result"], "late");
  Json job = api_.job(id).body;
  EXPECT_EQ(job["result"], "good");
  EXPECT_EQ(job["leaseLosses"], 1);
  EXPECT_EQ(job["worker"], "other");
}

// SURVIVAL 23
TEST_F(Crash, AJobThatKillsItsWorkersEndsInTheDeadLetters) {
  Json retry = {{"maxLeaseLosses", 1}};
  const std::string id = api_.enqueue({{"payload", "crash"}, {"retry", retry}}).body["id"];

  for (int i = 0; i < 2; ++i) {
    WorkerProcess worker(
        {.broker_url = broker_.url(), .script = "kill -9 $PPID", .name = "w" + std::to_string(i)});
    const auto end = worker.process().wait();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->signal, SIGKILL);
  }

  Json job = api_.job(id, 60).body;
  EXPECT_EQ(job["state"], "Dead");
  EXPECT_EQ(job["leaseLosses"], 2);
  EXPECT_EQ(job["attempts"], 0);
}

}  // namespace
}  // namespace sluice::testing
