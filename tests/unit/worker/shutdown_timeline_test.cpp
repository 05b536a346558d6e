#include "worker/shutdown_timeline.h"

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;

TEST(ShutdownTimeline, EndsHandlersBeforeTheGraceDoes) {
  const ShutdownTimeline usual = shutdown_timeline(330s);
  EXPECT_EQ(usual.terminate_after, 320s);
  EXPECT_EQ(usual.kill_after, 325s);
  EXPECT_EQ(usual.give_up_after, 329s);
}

TEST(ShutdownTimeline, KeepsItsOrderHoweverShortTheGrace) {
  for (int seconds = 1; seconds <= 60; ++seconds) {
    SCOPED_TRACE(seconds);
    const Duration grace = std::chrono::seconds{seconds};
    const ShutdownTimeline timeline = shutdown_timeline(grace);
    EXPECT_LT(Duration::zero(), timeline.terminate_after);
    EXPECT_LT(timeline.terminate_after, timeline.kill_after);
    EXPECT_LT(timeline.kill_after, timeline.give_up_after);
    EXPECT_LT(timeline.give_up_after, grace);
  }
}

TEST(KillDelay, IsHalfOfTheLeaseButAtMostHalfOfFiveSeconds) {
  EXPECT_EQ(kill_delay(1s), 500ms);
  EXPECT_EQ(kill_delay(5s), 2500ms);
  EXPECT_EQ(kill_delay(300s), 2500ms);
}

}  // namespace
}  // namespace sluice::worker
