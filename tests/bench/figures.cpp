#include "tests/bench/figures.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace sluice::bench {

double Latencies::quantile_ms(double share) const {
  if (samples_.empty()) return 0;
  const auto last = samples_.size() - 1;
  const auto rank =
      std::min(last, static_cast<std::size_t>(share * static_cast<double>(last) + 0.5));
  std::nth_element(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(rank),
                   samples_.end());
  return std::chrono::duration<double, std::milli>(samples_[rank]).count();
}

std::string with_thousands(std::size_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string with_decimals(double number, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, number);
  return text;
}

Row rate_row(std::string what, std::size_t count, BenchClock::duration elapsed) {
  const double per_second =
      static_cast<double>(count) / std::chrono::duration<double>(elapsed).count();
  return {.what = std::move(what),
          .figure = with_thousands(static_cast<std::size_t>(per_second)) + "/s"};
}

Row latency_row(std::string what, std::string figure, const Latencies& latencies) {
  return {.what = std::move(what),
          .figure = std::move(figure),
          .p50_ms = with_decimals(latencies.quantile_ms(0.5), 3),
          .p99_ms = with_decimals(latencies.quantile_ms(0.99), 3),
          .max_ms = with_decimals(latencies.quantile_ms(1), 3)};
}

void print_table_head() {
  std::puts(
      "| what | figure | p50 ms | p99 ms | max ms | broker's CPU µs a job |\n"
      "|---|---|---|---|---|---|");
}

void print(const Row& row) {
  std::printf("| %s | %s | %s | %s | %s | %s |\n", row.what.c_str(), row.figure.c_str(),
              row.p50_ms.c_str(), row.p99_ms.c_str(), row.max_ms.c_str(), row.cpu_us.c_str());
  std::fflush(stdout);
}

}  // namespace sluice::bench
