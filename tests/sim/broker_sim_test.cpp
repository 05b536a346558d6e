#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/sim/broker_world.h"

namespace sluice::broker::testing {
namespace {

// One seed of one's own: SLUICE_SIM_SEED=17 sim_broker
std::uint64_t first_seed() {
  const char* wanted = std::getenv("SLUICE_SIM_SEED");
  return wanted == nullptr ? 1 : std::stoull(wanted);
}
std::uint64_t seeds(std::uint64_t usual) {
  return std::getenv("SLUICE_SIM_SEED") == nullptr ? usual : 1;
}

// SURVIVAL 20, 22, 23: nothing acknowledged is lost, nothing undurable shown, no two live leases,
// budgets kept, whatever the order of clients, commits, crashes and power cuts.
TEST(BrokerSim, KeepsItsPromisesThroughCrashesAndPowerCuts) {
  std::size_t acknowledged = 0, crashes = 0, woken = 0, handed_back = 0, told = 0, compared = 0;
  for (std::uint64_t seed = first_seed(); seed < first_seed() + seeds(60); ++seed) {
    SCOPED_TRACE("SLUICE_SIM_SEED=" + std::to_string(seed));
    BrokerWorld world(seed);

    for (int i = 0; i < 1'500; ++i) world.step();
    world.finish();

    acknowledged += world.acknowledged();
    crashes += world.crashes();
    woken += world.claims_woken();
    handed_back += world.handed_back();
    told += world.ends_told();
    compared += world.figures_compared();
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(acknowledged, 0u);
  if (seeds(2) == 1) return;
  EXPECT_GT(crashes, 0u);
  EXPECT_GT(woken, 0u);
  EXPECT_GT(handed_back, 0u);
  EXPECT_GT(told, 0u);
  EXPECT_GT(compared, 0u);
}

// SURVIVAL 21: the nth write fails, for every n.
TEST(BrokerSim, SurvivesTheFailureOfEachWrite) {
  for (std::uint64_t nth = 1; nth <= 80; ++nth) {
    SCOPED_TRACE("write " + std::to_string(nth));
    BrokerWorld world(nth);
    world.fail_write(nth);

    for (int i = 0; i < 2'000 && world.crashes() == 0; ++i) world.step();
    for (int i = 0; i < 200; ++i) world.step();
    world.finish();

    ASSERT_GE(world.crashes(), 1u);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace sluice::broker::testing
