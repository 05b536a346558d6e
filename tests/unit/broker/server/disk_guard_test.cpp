#include "broker/server/disk_guard.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

// SURVIVAL 21.
TEST(DiskGuard, RefusesBelowTheReserveAndAsksOnceASecond) {
  testing::ManualClock clock;
  std::uint64_t free_bytes = 100;
  int asked = 0;
  DiskGuard guard(
      [&] {
        ++asked;
        return free_bytes;
      },
      clock, 100);

  EXPECT_TRUE(guard.check());
  free_bytes = 99;
  clock.advance(999ms);
  EXPECT_TRUE(guard.check());
  EXPECT_EQ(asked, 1);
  clock.advance(1ms);
  const auto full = guard.check();
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kDiskFull);
  EXPECT_EQ(asked, 2);
  free_bytes = 100;
  clock.advance(1s);
  EXPECT_TRUE(guard.check());
}

}  // namespace
}  // namespace sluice::broker
