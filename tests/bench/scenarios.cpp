#include "tests/bench/scenarios.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <queue>
#include <utility>

#include "tests/bench/broker_process.h"
#include "tests/bench/queue_client.h"

namespace sluice::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSingleConnections = 64;
constexpr std::size_t kBatchConnections = 8;
constexpr std::size_t kBatchJobs = 100;
constexpr auto kRestBeforeMemory = 10s;
constexpr std::string_view kDefaultSpec = "{}";
constexpr std::string_view kDropResultsSpec = "{\"resultTTLSeconds\":0}";

std::size_t scaled(const Settings& settings, std::size_t full, std::size_t quick) {
  return settings.quick ? quick : full;
}

std::string cpu_us(double seconds, std::size_t jobs) {
  return with_decimals(seconds * 1e6 / static_cast<double>(jobs), 1);
}

// A fresh broker with one queue.
class Bench {
 public:
  Bench(const Settings& settings, std::size_t connections, std::string_view spec = kDefaultSpec)
      : folder_(fresh_folder(settings)), broker_(settings.broker, folder_), loop_(broker_.port()) {
    loop_.connect(connections);
    queue_.emplace(loop_, "work", spec);
  }
  ~Bench() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  BrokerProcess& broker() { return broker_; }
  ClientLoop& loop() { return loop_; }
  QueueClient& queue() { return *queue_; }
  bool is_complete() { return queue_->is_complete(loop_); }

 private:
  static std::string fresh_folder(const Settings& settings) {
    std::string folder = settings.folder + "/broker";
    std::filesystem::remove_all(folder);
    return folder;
  }

  std::string folder_;
  BrokerProcess broker_;
  ClientLoop loop_;
  std::optional<QueueClient> queue_;
};

// --- closed loop: the next request when the last is answered ------------------------------------

bool enqueue_closed(const Settings& settings, std::string what, std::size_t connections,
                    std::size_t jobs_a_request, std::size_t jobs) {
  Bench bench(settings, connections);
  const std::string request = jobs_a_request == 1
                                  ? bench.queue().enqueue_request(0)
                                  : bench.queue().enqueue_batch_request(jobs_a_request);
  Latencies latencies;
  std::vector<BenchClock::time_point> sent_at(connections);
  std::size_t sent = 0;
  std::size_t answered = 0;
  const auto send_next = [&](std::size_t connection) {
    if (sent >= jobs) return;
    sent += jobs_a_request;
    sent_at[connection] = BenchClock::now();
    bench.loop().send(connection, request);
  };

  const double cpu_before = bench.broker().cpu_seconds();
  const auto begin = BenchClock::now();
  for (std::size_t i = 0; i < connections; ++i) send_next(i);
  while (answered < sent) {
    bench.loop().poll(std::nullopt, [&](std::size_t connection, const Reply& reply) {
      latencies.add(BenchClock::now() - sent_at[connection]);
      bench.queue().enqueued(reply, jobs_a_request);
      answered += jobs_a_request;
      send_next(connection);
    });
  }
  const Row rate = rate_row({}, answered, BenchClock::now() - begin);
  Row row = latency_row(std::move(what), rate.figure, latencies);
  row.cpu_us = cpu_us(bench.broker().cpu_seconds() - cpu_before, answered);
  print(row);
  return bench.is_complete();
}

bool settle_closed(const Settings& settings, std::string what, std::size_t connections,
                   std::size_t jobs_a_request, std::size_t jobs, std::string_view spec) {
  Bench bench(settings, connections, spec);
  bench.queue().fill(jobs);
  const std::string claim = bench.queue().claim_request(jobs_a_request, 0);
  std::vector<std::size_t> settling(connections);  // jobs of the settlement under way; 0: claiming
  std::size_t settled = 0;
  std::size_t busy = connections;

  const double cpu_before = bench.broker().cpu_seconds();
  const auto begin = BenchClock::now();
  for (std::size_t i = 0; i < connections; ++i) bench.loop().send(i, claim);
  while (busy > 0) {
    bench.loop().poll(std::nullopt, [&](std::size_t connection, const Reply& reply) {
      if (settling[connection] > 0) {
        bench.queue().settled(reply, settling[connection]);
        settled += std::exchange(settling[connection], 0);
        bench.loop().send(connection, claim);
        return;
      }
      const std::vector<ClaimedJob> claimed = QueueClient::claimed(reply);
      if (claimed.empty()) {
        --busy;
        return;
      }
      settling[connection] = claimed.size();
      bench.loop().send(connection, bench.queue().settle_request(claimed));
    });
  }
  Row row = rate_row(std::move(what), settled, BenchClock::now() - begin);
  row.cpu_us = cpu_us(bench.broker().cpu_seconds() - cpu_before, settled);
  print(row);
  return settled == jobs && bench.is_complete();
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
  };
  return kAll;
}

}  // namespace sluice::bench
