// What is measured.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/figures.h"

namespace sluice::bench {

struct Settings {
  std::string broker;  // the binary
  std::string folder;  // on the disk to measure
  bool quick = false;  // small counts: shows that it works, not how fast it is
};

// Measures and prints its rows; false when an acknowledged job is missing.
struct Scenario {
  std::string_view name;
  std::string_view about;
  std::function<bool(const Settings&)> run;
};

const std::vector<Scenario>& scenarios();

// The disk alone: write and fdatasync in turn.
bool run_disk_probe(const Settings& settings);

// scale.cpp: what a job costs with a long backlog, with many queues, with many idle workers.
bool run_backlog(const Settings& settings);
bool run_queues(const Settings& settings);
bool run_polls(const Settings& settings);

}  // namespace sluice::bench
