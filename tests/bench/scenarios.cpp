#include "tests/bench/scenarios.h"

#include <optional>
#include <queue>
#include <utility>

#include "tests/bench/bench.h"
#include "tests/bench/closed_loop.h"

namespace sluice::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kDropResultsSpec = "{\"resultTTLSeconds\":0}";

bool enqueue_closed(const Settings& settings, std::string what, std::size_t connections,
                    std::size_t jobs_a_request, std::size_t jobs) {
  Bench bench(settings, connections);
  Row row = run_enqueues(bench, connections, jobs_a_request, jobs);
  row.what = std::move(what);
  print(row);
  return bench.is_complete();
}

bool settle_closed(const Settings& settings, std::string what, std::size_t connections,
                   std::size_t jobs_a_request, std::size_t jobs, std::string_view spec) {
  Bench bench(settings, connections, spec);
  bench.queue().fill(jobs);
  Row row = run_settlements(bench, connections, jobs_a_request, jobs);
  row.what = std::move(what);
  print(row);
  return bench.is_complete();
}

// --- open loop: requests at their time, whatever the broker does --------------------------------

// Sends job n at begin + n / rate on an idle connection out of `producers`; one that has to wait
// for a connection keeps its time, so that a stall counts in full.
class OpenLoop {
 public:
  OpenLoop(Bench& bench, std::size_t producers, std::size_t jobs_per_second, std::size_t jobs)
      : bench_(bench),
        interval_(BenchClock::duration(1s) / jobs_per_second),
        jobs_(jobs),
        number_of_(producers) {
    for (std::size_t i = 0; i < producers; ++i) idle_.push_back(i);
  }

  void begin() { begin_ = BenchClock::now(); }
  BenchClock::time_point intended(std::size_t number) const {
    return begin_ + interval_ * static_cast<BenchClock::rep>(number);
  }
  bool is_done() const { return answered_ == jobs_; }
  const Latencies& latencies() const { return latencies_; }

  // Sends what is due; when the next is, if a connection is free for it.
  std::optional<BenchClock::time_point> send_due() {
    while (next_ < jobs_ && !idle_.empty() && intended(next_) <= BenchClock::now()) {
      const std::size_t connection = idle_.back();
      idle_.pop_back();
      number_of_[connection] = next_;
      bench_.loop().send(connection, bench_.queue().enqueue_request(next_));
      ++next_;
    }
    if (next_ == jobs_ || idle_.empty()) return std::nullopt;
    return intended(next_);
  }

  void on_reply(std::size_t connection, const Reply& reply) {
    latencies_.add(BenchClock::now() - intended(number_of_[connection]));
    bench_.queue().enqueued(reply, 1);
    idle_.push_back(connection);
    ++answered_;
  }

 private:
  Bench& bench_;
  BenchClock::duration interval_;
  std::size_t jobs_;
  BenchClock::time_point begin_;
  std::vector<std::size_t> number_of_;  // the job under way on each connection
  std::vector<std::size_t> idle_;
  std::size_t next_ = 0;
  std::size_t answered_ = 0;
  Latencies latencies_;
};

bool enqueue_open(const Settings& settings, std::size_t jobs_per_second) {
  Bench bench(settings, kSingleConnections);
  OpenLoop producer(bench, kSingleConnections, jobs_per_second,
                    jobs_per_second * scaled(settings, 20, 2));
  producer.begin();
  while (!producer.is_done()) {
    const auto next = producer.send_due();
    bench.loop().poll(next, [&](std::size_t connection, const Reply& reply) {
      producer.on_reply(connection, reply);
    });
  }
  print(latency_row("enqueue acknowledged, open loop",
                    with_thousands(jobs_per_second) + "/s offered", producer.latencies()));
  return bench.is_complete();
}

// One worker: a connection that always waits in a claim, and others that settle what it got.
bool start_open(const Settings& settings, std::size_t jobs_per_second) {
  static constexpr std::size_t kProducers = 32;
  static constexpr std::size_t kWorker = kProducers;
  static constexpr std::size_t kFirstSettler = kProducers + 1;
  static constexpr std::size_t kSettlers = 31;
  static constexpr int kWaitSeconds = 30;

  Bench bench(settings, kFirstSettler + kSettlers);
  const std::size_t jobs = jobs_per_second * scaled(settings, 20, 2);
  OpenLoop producer(bench, kProducers, jobs_per_second, jobs);
  const std::string claim = bench.queue().claim_request(kBatchJobs, kWaitSeconds);
  std::vector<std::size_t> idle_settlers;
  for (std::size_t i = 0; i < kSettlers; ++i) idle_settlers.push_back(kFirstSettler + i);
  std::vector<std::size_t> settling(bench.loop().connections());
  std::queue<std::pair<std::string, std::size_t>> to_settle;
  Latencies starts;
  std::size_t settled = 0;

  const auto settle_next = [&] {
    while (!to_settle.empty() && !idle_settlers.empty()) {
      const std::size_t connection = idle_settlers.back();
      idle_settlers.pop_back();
      settling[connection] = to_settle.front().second;
      bench.loop().send(connection, to_settle.front().first);
      to_settle.pop();
    }
  };
  const auto on_claim = [&](const Reply& reply) {
    const auto now = BenchClock::now();
    const std::vector<ClaimedJob> claimed = QueueClient::claimed(reply);
    for (const ClaimedJob& job : claimed) starts.add(now - producer.intended(job.number));
    if (!claimed.empty()) to_settle.emplace(bench.queue().settle_request(claimed), claimed.size());
    if (starts.count() < jobs) bench.loop().send(kWorker, claim);
    settle_next();
  };
  const auto on_settled = [&](std::size_t connection, const Reply& reply) {
    bench.queue().settled(reply, settling[connection]);
    settled += settling[connection];
    idle_settlers.push_back(connection);
    settle_next();
  };

  bench.loop().send(kWorker, claim);
  producer.begin();
  while (!producer.is_done() || settled < jobs) {
    const auto next = producer.send_due();
    bench.loop().poll(next, [&](std::size_t connection, const Reply& reply) {
      if (connection < kProducers) {
        producer.on_reply(connection, reply);
      } else if (connection == kWorker) {
        on_claim(reply);
      } else {
        on_settled(connection, reply);
      }
    });
  }
  print(latency_row("sent → started, open loop, idle worker waiting",
                    with_thousands(jobs_per_second) + "/s offered", starts));
  return bench.is_complete();
}

// --- memory and restart --------------------------------------------------------------------------

bool memory_and_restart(const Settings& settings) {
  Bench bench(settings, kBatchConnections);
  std::size_t filled = 0;
  for (const std::size_t jobs :
       {scaled(settings, 200'000, 20'000), scaled(settings, 1'000'000, 50'000)}) {
    bench.queue().fill(jobs - filled);
    filled = jobs;
    bench.loop().rest(kRestBeforeMemory);
    print({.what = "broker memory (RSS) at " + with_thousands(jobs) + " waiting jobs, 10 s later",
           .figure = with_decimals(bench.broker().resident_mib(), 1) + " MiB"});
  }

  const double seconds = std::chrono::duration<double>(bench.broker().restart()).count();
  print({.what = "kill -9 to readyz with " + with_thousands(filled) + " waiting jobs",
         .figure = with_decimals(seconds, 2) + " s"});
  ClientLoop loop(bench.broker().port());
  loop.connect(1);
  return bench.queue().is_complete(loop);
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> kAll = {
      {"disk", "the disk's own sync rate", run_disk_probe},
      {"enqueue", "closed loop, one job a request, 64 connections",
       [](const Settings& s) {
         return enqueue_closed(s, "enqueue, one job a request, 64 connections", kSingleConnections,
                               1, scaled(s, 1'000'000, 10'000));
       }},
      {"enqueue-batch", "closed loop, 100 jobs a request, 8 connections",
       [](const Settings& s) {
         return enqueue_closed(s, "enqueue, 100 jobs a request, 8 connections", kBatchConnections,
                               kBatchJobs, scaled(s, 2'000'000, 50'000));
       }},
      {"settle", "claim + settle one at a time, 64 connections",
       [](const Settings& s) {
         return settle_closed(s, "claim + settle, one job a request, 64 connections",
                              kSingleConnections, 1, scaled(s, 400'000, 5'000), kDefaultSpec);
       }},
      {"settle-batch", "claim + settle 100 a request, results kept",
       [](const Settings& s) {
         return settle_closed(s, "claim + settle, 100 jobs a request, results kept",
                              kBatchConnections, kBatchJobs, scaled(s, 1'000'000, 20'000),
                              kDefaultSpec);
       }},
      {"settle-batch-drop", "claim + settle 100 a request, resultTTLSeconds 0",
       [](const Settings& s) {
         return settle_closed(s, "claim + settle, 100 jobs a request, resultTTLSeconds 0",
                              kBatchConnections, kBatchJobs, scaled(s, 1'000'000, 20'000),
                              kDropResultsSpec);
       }},
      {"open-500", "enqueue, open loop, 500/s",
       [](const Settings& s) { return enqueue_open(s, 500); }},
      {"open-4000", "enqueue, open loop, 4,000/s",
       [](const Settings& s) { return enqueue_open(s, 4'000); }},
      {"start", "sent → started, open loop, 500/s",
       [](const Settings& s) { return start_open(s, 500); }},
      {"memory", "memory at 200,000 and 1,000,000 jobs, restart", memory_and_restart},
      {"backlog", "cost a job with nothing, 1,000,000 and 10,000,000 jobs waiting", run_backlog},
      {"queues", "cost a job and memory with 10,000 queues", run_queues},
      {"polls", "memory of 10,000 idle long polls", run_polls},
  };
  return kAll;
}

}  // namespace sluice::bench
