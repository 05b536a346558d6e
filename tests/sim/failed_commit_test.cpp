// A write that fails is the broker's end (SURVIVAL 21).
#include <condition_variable>
#include <mutex>

#include "broker/commit/engine_loop.h"
#include "broker/storage/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_disk.h"

namespace sluice::broker {
namespace {

using ::testing::AllOf;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::Not;

class IgnoreEffects final : public EffectsListener {
 public:
  void on_effects(Effects&&) override {}
};

// Runs the broker's threads on a disk whose next write fails, and never returns.
void configure_on_a_failing_disk() {
  testing::MemoryDisk disk;
  testing::ManualClock clock;
  auto store = Store::open(disk.open());
  Engine engine((*store)->boot(), 1);
  CHECK(static_cast<bool>((*store)->load(engine.loader())));
  const auto loaded = (*store)->begin_batch();
  CHECK(static_cast<bool>(engine.finish_load(clock.now(), loaded->sink())));
  IgnoreEffects effects;
  EngineLoop loop(engine, **store, clock, effects);
  loop.start();
  disk.fail_write(1);

  loop.submit(
      [](Engine& e, Now now, RecordSink& sink) {
        return e.configure({.queue = {"shop", "orders"}}, now, sink);
      },
      [](const auto&) { std::fputs("answered", stderr); });
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable().wait(lock, [] { return false; });
}

TEST(EngineLoopDeathTest, AFailedWriteEndsTheProcessWithAMessageAndWithoutAReply) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");

  EXPECT_EXIT(configure_on_a_failing_disk(), ExitedWithCode(EXIT_FAILURE),
              AllOf(HasSubstr("the store failed: ending"), HasSubstr("told to fail"),
                    Not(HasSubstr("answered"))));
}

}  // namespace
}  // namespace sluice::broker
