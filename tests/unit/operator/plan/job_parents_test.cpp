#include "operator/plan/job_parents.h"

#include <gtest/gtest.h>

#include <map>

namespace sluice::op {
namespace {

using Names = std::vector<std::string>;

Names cycle_of(const std::string& name, const std::map<std::string, Names>& jobs) {
  return find_cycle(name, [&jobs](const std::string& one) -> std::optional<Names> {
    const auto found = jobs.find(one);
    return found == jobs.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(FindCycle, TellsTheShortestWayBack) {
  struct Case {
    const char* what;
    std::map<std::string, Names> jobs;
    Names want;
  };
  const Case cases[] = {
      {"no parents", {{"a", {}}}, {}},
      {"a chain", {{"a", {"b"}}, {"b", {"c"}}, {"c", {}}}, {}},
      {"a diamond", {{"a", {"b", "c"}}, {"b", {"d"}}, {"c", {"d"}}, {"d", {}}}, {}},
      {"a parent that is not there", {{"a", {"b"}}}, {}},
      {"itself", {{"a", {"a"}}}, {"a", "a"}},
      {"two", {{"a", {"b"}}, {"b", {"a"}}}, {"a", "b", "a"}},
      {"the shorter one",
       {{"a", {"b", "c"}}, {"b", {"d"}}, {"d", {"a"}}, {"c", {"a"}}},
       {"a", "c", "a"}},
      {"a cycle it only leads to", {{"a", {"b"}}, {"b", {"c"}}, {"c", {"b"}}}, {}},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    EXPECT_EQ(cycle_of("a", c.jobs), c.want);
  }
}

TEST(FindCycle, LooksAtSoManyAndNoMore) {
  std::size_t looked_at = 0;
  const auto endless = [&looked_at](const std::string& name) -> std::optional<Names> {
    ++looked_at;
    return Names{name + "x"};
  };

  EXPECT_EQ(find_cycle("a", endless), Names{});
  EXPECT_LE(looked_at, kCycleJobsMax + 1);
}

}  // namespace
}  // namespace sluice::op
