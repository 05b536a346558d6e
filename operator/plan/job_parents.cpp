#include "operator/plan/job_parents.h"

#include <algorithm>
#include <deque>
#include <map>

namespace sluice::op {

// Breadth first, so that the cycle told is the shortest one.
std::vector<std::string> find_cycle(const std::string& name, const ParentNames& parents_of) {
  std::map<std::string, std::string> reached_from;
  std::deque<std::string> to_visit{name};
  while (!to_visit.empty() && reached_from.size() < kCycleJobsMax) {
    const std::string child = to_visit.front();
    to_visit.pop_front();
    const auto parents = parents_of(child);
    if (!parents) continue;
    for (const std::string& parent : *parents) {
      if (!reached_from.emplace(parent, child).second) continue;
      if (parent != name) {
        to_visit.push_back(parent);
        continue;
      }
      std::vector<std::string> cycle{name};
      for (std::string at = child; at != name; at = reached_from.at(at)) cycle.push_back(at);
      cycle.push_back(name);
      std::reverse(cycle.begin(), cycle.end());
      return cycle;
    }
  }
  return {};
}

}  // namespace sluice::op
