// Whether the cost of a job grows with what else the broker holds.
#include <sys/resource.h>

#include <thread>

#include "tests/bench/bench.h"
#include "tests/bench/closed_loop.h"

namespace sluice::bench {
namespace {

constexpr int kPollSeconds = 60;

void print_as(Row row, std::string what) {
  row.what = std::move(what);
  print(row);
}

// Enqueues and settles the same number of jobs, so that as many wait afterwards.
void measure(Bench& bench, const Settings& settings, const std::string& with) {
  const std::size_t batched = scaled(settings, 200'000, 5'000);
  const std::size_t single = scaled(settings, 50'000, 1'000);
  print_as(run_enqueues(bench, kBatchConnections, kBatchJobs, batched),
           "enqueue, 100 jobs a request, " + with);
  print_as(run_settlements(bench, kBatchConnections, kBatchJobs, batched),
           "claim + settle, 100 jobs a request, " + with);
  print_as(run_enqueues(bench, kSingleConnections, 1, single),
           "enqueue, one job a request, " + with);
  print_as(run_settlements(bench, kSingleConnections, 1, single),
           "claim + settle, one job a request, " + with);
}

void raise_file_limit(std::size_t files) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, files);
  limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) die("the limit of open files is too low");
}

std::string mib(double value) {
  return with_decimals(value, 1) + " MiB";
}

}  // namespace

bool run_backlog(const Settings& settings) {
  Bench bench(settings, kSingleConnections);
  std::size_t filled = 0;
  for (const std::size_t jobs : {std::size_t{0}, scaled(settings, 1'000'000, 10'000),
                                 scaled(settings, 10'000'000, 50'000)}) {
    bench.queue().fill(jobs - filled);
    filled = jobs;
    measure(bench, settings, with_thousands(jobs) + " waiting");
  }
  bench.loop().rest(kRestBeforeMemory);
  print({.what = "broker memory (RSS) at " + with_thousands(filled) + " waiting jobs, 10 s later",
         .figure = mib(bench.broker().resident_mib())});
  return bench.is_complete();
}

bool run_queues(const Settings& settings) {
  const std::size_t count = scaled(settings, 10'000, 200);
  Bench bench(settings, kSingleConnections);
  const double before = bench.broker().resident_mib();
  std::size_t made = 0;
  std::size_t answered = 0;
  const auto make_next = [&](std::size_t connection) {
    if (made == count) return;
    bench.loop().send(
        connection,
        make_request("PUT", "/v1/namespaces/bench/queues/other-" + std::to_string(made++),
                     "{\"spec\":{}}"));
  };
  const auto begin = BenchClock::now();
  for (std::size_t i = 0; i < kSingleConnections; ++i) make_next(i);
  while (answered < count) {
    bench.loop().poll(std::nullopt, [&](std::size_t connection, const Reply& reply) {
      if (reply.status != 200 && reply.status != 201) die("a queue was refused");
      ++answered;
      make_next(connection);
    });
  }
  print(rate_row("queues made, 64 connections", count, BenchClock::now() - begin));
  print({.what = "broker memory (RSS) that " + with_thousands(count) + " empty queues added",
         .figure = mib(bench.broker().resident_mib() - before)});
  measure(bench, settings, with_thousands(count) + " other queues");
  return bench.is_complete();
}

bool run_polls(const Settings& settings) {
  static constexpr std::size_t kOtherFiles = 64;
  static constexpr auto kLook = std::chrono::seconds{5};
  const std::size_t count = scaled(settings, 10'000, 500);
  raise_file_limit(count + kOtherFiles);
  Bench bench(settings, kSingleConnections);
  // Its worker is known before; another queue, so that no job wakes them.
  const double before = bench.broker().resident_mib();
  ClientLoop polling(bench.broker().port());
  polling.connect(count);
  const QueueClient idle(bench.loop(), "idle", kDefaultSpec);
  const std::string poll = idle.claim_request(1, kPollSeconds);
  for (std::size_t i = 0; i < count; ++i) polling.send(i, poll);
  std::this_thread::sleep_for(kLook);
  const double added = bench.broker().resident_mib() - before;
  print({.what = "broker memory (RSS) that " + with_thousands(count) + " idle long polls added",
         .figure = mib(added) + ", " + with_decimals(added * 1024 / static_cast<double>(count), 1) +
                   " KiB each"});
  const double cpu_before = bench.broker().cpu_seconds();
  std::this_thread::sleep_for(kLook);
  print({.what = "… broker's CPU while they wait",
         .figure = with_decimals((bench.broker().cpu_seconds() - cpu_before) * 1000 /
                                     static_cast<double>(kLook.count()),
                                 1) +
                   " ms a second"});
  measure(bench, settings, with_thousands(count) + " idle long polls");
  return bench.is_complete();
}

}  // namespace sluice::bench
