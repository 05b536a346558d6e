// Job resources that depend on others, by name.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sluice::op {

// One entry of spec.dependsOn and what is known of it.
struct JobParent {
  std::string name;
  std::string uid;        // the broker's id of its job; empty: there is no such resource
  bool accepted = false;  // the broker has, or had, its job
  enum class End { kNone, kComplete, kFailed } end = End::kNone;  // as its status says
};

// What a Job that the broker does not have yet depends on; absent where there is no such Job, or
// the broker has it: it waits for nothing then.
using ParentNames = std::function<std::optional<std::vector<std::string>>(const std::string& name)>;

// At most so many Jobs are looked at; a longer cycle is not told, and waits.
inline constexpr std::size_t kCycleJobsMax = 1'000;

// The names from `name` back to itself, "a, b, a"; empty when it is not part of a cycle.
std::vector<std::string> find_cycle(const std::string& name, const ParentNames& parents_of);

}  // namespace sluice::op
