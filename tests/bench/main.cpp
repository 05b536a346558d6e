// sluice-bench: drives a broker of its own and prints a table. hack/bench builds and starts it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "tests/bench/scenarios.h"

namespace {

std::string list_of_scenarios() {
  std::string text = "Scenarios:\n";
  for (const auto& scenario : sluice::bench::scenarios()) {
    text.append("  ").append(scenario.name);
    text.append(20 - std::min<std::size_t>(19, scenario.name.size()), ' ');
    text.append(scenario.about).append("\n");
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  sluice::bench::Settings settings;
  std::string only;
  CLI::App app{"Measures the broker: throughput, latency, memory, restart."};
  app.footer(list_of_scenarios());
  app.add_option("--broker", settings.broker, "the sluice-broker binary")->required();
  app.add_option("--folder", settings.folder, "an empty folder on the disk to measure")->required();
  app.add_flag("--quick", settings.quick, "small counts: shows that it works, not how fast it is");
  app.add_option("--only", only, "one scenario");
  CLI11_PARSE(app, argc, argv);

  const auto is_wanted = [&](const auto& each) { return only.empty() || each.name == only; };
  const auto& all = sluice::bench::scenarios();
  if (std::none_of(all.begin(), all.end(), is_wanted)) {
    std::fprintf(stderr, "sluice-bench: no scenario %s\n%s", only.c_str(),
                 list_of_scenarios().c_str());
    return 2;
  }
  sluice::bench::print_table_head();
  bool complete = true;
  for (const auto& scenario : all) {
    if (is_wanted(scenario)) complete = scenario.run(settings) && complete;
  }
  return complete ? 0 : 1;
}
