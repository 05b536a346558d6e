// Measured numbers and the table they are shown in.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/bench/client_loop.h"

namespace sluice::bench {

class Latencies {
 public:
  void add(BenchClock::duration latency) { samples_.push_back(latency); }
  std::size_t count() const { return samples_.size(); }
  // Milliseconds below which this share of the samples lies; 1 is the longest. 0 without samples.
  double quantile_ms(double share) const;

 private:
  mutable std::vector<BenchClock::duration> samples_;
};

// A line of the table; what does not apply stays empty.
struct Row {
  std::string what;
  std::string figure;
  std::string p50_ms;
  std::string p99_ms;
  std::string max_ms;
  std::string cpu_us;  // of the broker, a job
};

Row rate_row(std::string what, std::size_t count, BenchClock::duration elapsed);
Row latency_row(std::string what, std::string figure, const Latencies& latencies);

std::string with_thousands(std::size_t number);
std::string with_decimals(double number, int decimals);

// Printed at once, so that a run that is ended early has shown what it measured.
void print_table_head();
void print(const Row& row);

}  // namespace sluice::bench
