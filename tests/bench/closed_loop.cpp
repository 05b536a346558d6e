#include "tests/bench/closed_loop.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sluice::bench {
namespace {

std::string cpu_us(double seconds, std::size_t jobs) {
  return with_decimals(seconds * 1e6 / static_cast<double>(jobs), 1);
}

}  // namespace

Row run_enqueues(Bench& bench, std::size_t connections, std::size_t jobs_a_request,
                 std::size_t jobs) {
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
  Row row = latency_row({}, rate.figure, latencies);
  row.cpu_us = cpu_us(bench.broker().cpu_seconds() - cpu_before, answered);
  return row;
}

Row run_settlements(Bench& bench, std::size_t connections, std::size_t jobs_a_request,
                    std::size_t jobs) {
  std::vector<std::size_t> claiming(connections);  // jobs that the claim under way asked for
  std::vector<std::size_t> settling(connections);  // jobs of the settlement under way; 0: claiming
  std::size_t asked = 0;                           // by claims under way, and what was claimed
  std::size_t settled = 0;
  std::size_t busy = 0;
  const auto claim_next = [&](std::size_t connection) {
    const std::size_t count = std::min(jobs_a_request, jobs - asked);
    if (count == 0) return;
    asked += count;
    claiming[connection] = count;
    ++busy;
    bench.loop().send(connection, bench.queue().claim_request(count, 0));
  };

  const double cpu_before = bench.broker().cpu_seconds();
  const auto begin = BenchClock::now();
  for (std::size_t i = 0; i < connections; ++i) claim_next(i);
  while (busy > 0) {
    bench.loop().poll(std::nullopt, [&](std::size_t connection, const Reply& reply) {
      if (settling[connection] > 0) {
        bench.queue().settled(reply, settling[connection]);
        settled += std::exchange(settling[connection], 0);
        --busy;
        claim_next(connection);
        return;
      }
      const std::vector<ClaimedJob> claimed = QueueClient::claimed(reply);
      if (claimed.size() != claiming[connection]) die("a claim got less than waits");
      settling[connection] = claimed.size();
      bench.loop().send(connection, bench.queue().settle_request(claimed));
    });
  }
  Row row = rate_row({}, settled, BenchClock::now() - begin);
  row.cpu_us = cpu_us(bench.broker().cpu_seconds() - cpu_before, settled);
  return row;
}

}  // namespace sluice::bench
