// kubectl and helm as people run them.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sluice::testing {

struct Ran {
  int exit_code = -1;
  std::string out;
  std::string err;

  bool ok() const { return exit_code == 0; }
};

// `words[0]` is looked up in PATH. Blocks; ends the program after a bound.
Ran run(const std::vector<std::string>& words, const std::string& input = {});
Ran kubectl(std::vector<std::string> words, const std::string& input = {});
// Fails the test, and returns null, when the command fails.
nlohmann::json kubectl_json(std::vector<std::string> words);
// `kubectl apply` of objects; fails the test when one is refused.
void apply(const std::vector<nlohmann::json>& objects);

}  // namespace sluice::testing
