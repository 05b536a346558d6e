#include "tests/e2e/kubectl.h"

#include <gtest/gtest.h>

#include "tests/support/child_process.h"

namespace sluice::testing {
namespace {

constexpr std::chrono::seconds kCommandPatience{240};

}  // namespace

Ran run(const std::vector<std::string>& words, const std::string& input) {
  std::vector<std::string> argv = {"/usr/bin/env"};
  argv.insert(argv.end(), words.begin(), words.end());
  ChildProcess process({.argv = argv, .input = input});
  const auto end = process.wait(kCommandPatience);
  const int exit_code = end ? end->exit_code.value_or(-1) : -1;
  return {exit_code, process.output(), process.errors()};
}

Ran kubectl(std::vector<std::string> words, const std::string& input) {
  words.insert(words.begin(), "kubectl");
  return run(words, input);
}

nlohmann::json kubectl_json(std::vector<std::string> words) {
  words.insert(words.end(), {"-o", "json"});
  const Ran ran = kubectl(words);
  EXPECT_TRUE(ran.ok()) << ran.err;
  return nlohmann::json::parse(ran.out, nullptr, false);
}

void apply(const std::vector<nlohmann::json>& objects) {
  const nlohmann::json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", objects}};
  const Ran ran = kubectl({"apply", "--server-side", "-f", "-"}, list.dump());
  ASSERT_TRUE(ran.ok()) << ran.err;
}

}  // namespace sluice::testing
