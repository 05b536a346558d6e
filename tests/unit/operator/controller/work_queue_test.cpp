#include "operator/controller/work_queue.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/manual_clock.h"

namespace sluice::op {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ObjectKey job(const std::string& name) {
  return {ObjectKind::kJob, "default", name};
}

class WorkQueueTest : public ::testing::Test {
 protected:
  std::string take() {
    const auto key = queue_.try_take();
    return key ? key->name : "";
  }
  // Serves everything that is due at once.
  std::vector<std::string> serve_all() {
    std::vector<std::string> served;
    while (const auto key = queue_.try_take()) {
      served.push_back(key->name);
      queue_.done(*key);
    }
    return served;
  }

  testing::ManualClock clock_;
  WorkQueue queue_{clock_, 7};
};

TEST_F(WorkQueueTest, WaitingKeyIsServedOnce) {
  queue_.add(job("a"));
  queue_.add(job("a"));
  queue_.add(job("a"), Lane::kBacklog);

  EXPECT_EQ(serve_all(), (std::vector<std::string>{"a"}));
}

TEST_F(WorkQueueTest, KeyIsServedByOneTakerAtATime) {
  queue_.add(job("a"));
  ASSERT_EQ(take(), "a");
  queue_.add(job("a"));

  EXPECT_EQ(take(), "");
  queue_.done(job("a"));
  EXPECT_EQ(take(), "a");
}

TEST_F(WorkQueueTest, DelayedKeyComesWhenItIsDue) {
  queue_.add_after(job("a"), seconds{10});

  EXPECT_EQ(take(), "");
  clock_.advance(seconds{10});
  EXPECT_EQ(take(), "a");
}

TEST_F(WorkQueueTest, EarlierOfTwoDelaysHolds) {
  queue_.add_after(job("a"), seconds{10});
  queue_.add_after(job("a"), seconds{2});
  queue_.add_after(job("a"), seconds{20});

  clock_.advance(seconds{2});
  EXPECT_EQ(serve_all(), (std::vector<std::string>{"a"}));
  clock_.advance(seconds{60});
  EXPECT_EQ(take(), "");
}

TEST_F(WorkQueueTest, RetriesBackOffUpToTheirMaximumUntilForgotten) {
  for (int failure = 0; failure < 40; ++failure) {
    SCOPED_TRACE(failure);
    queue_.retry(job("a"));
    const auto limit = std::min<Duration>(WorkQueue::kRetryMin * (1ll << std::min(failure, 20)),
                                          WorkQueue::kRetryMax);
    clock_.advance(limit);
    ASSERT_EQ(take(), "a");
    queue_.done(job("a"));
  }
  queue_.forget(job("a"));

  queue_.retry(job("a"));
  clock_.advance(WorkQueue::kRetryMin);

  EXPECT_EQ(take(), "a");
}

// SURVIVAL 14.
TEST_F(WorkQueueTest, EventsAreServedBeforeTheBacklogIsThrough) {
  for (int i = 0; i < 10'000; ++i) queue_.add(job("old" + std::to_string(i)), Lane::kBacklog);
  ASSERT_EQ(take().substr(0, 3), "old");
  queue_.add(job("new"));

  const std::set<std::string> next = {take(), take()};

  EXPECT_TRUE(next.contains("new"));
}

TEST_F(WorkQueueTest, BacklogIsServedWhileEventsNeverEnd) {
  queue_.add(job("old"), Lane::kBacklog);
  std::set<std::string> served;
  for (int i = 0; i < 3; ++i) {
    queue_.add(job("new" + std::to_string(i)));
    served.insert(take());
  }

  EXPECT_TRUE(served.contains("old"));
}

TEST_F(WorkQueueTest, EventMovesKeyUpFromTheBacklog) {
  for (const char* name : {"a", "b", "c", "d", "e"}) queue_.add(job(name), Lane::kBacklog);
  queue_.add(job("e"));

  const auto served = serve_all();

  EXPECT_TRUE(served[0] == "e" || served[1] == "e");
  EXPECT_EQ(served.size(), 5u);
}

TEST_F(WorkQueueTest, FirstRetriesKeepItBusyLaterOnesDoNot) {
  EXPECT_TRUE(queue_.is_idle());
  queue_.add_after(job("tick"), seconds{60});
  EXPECT_TRUE(queue_.is_idle());

  queue_.retry(job("a"));
  EXPECT_FALSE(queue_.is_idle());
  for (int i = 0; i < WorkQueue::kPatientRetries + 1; ++i) {
    clock_.advance(WorkQueue::kRetryMax);
    serve_all();
    queue_.retry(job("a"));
  }

  EXPECT_TRUE(queue_.is_idle());
}

TEST_F(WorkQueueTest, ForgettingARetryThatWaitsLeavesTheCountRight) {
  queue_.retry(job("a"));
  queue_.forget(job("a"));
  clock_.advance(WorkQueue::kRetryMax);
  serve_all();

  EXPECT_TRUE(queue_.is_idle());
}

TEST_F(WorkQueueTest, ShutDownReleasesTakers) {
  std::thread taker([&] { EXPECT_FALSE(queue_.take()); });

  queue_.shut_down();
  taker.join();

  queue_.add(job("a"));
  EXPECT_FALSE(queue_.take());
}

TEST_F(WorkQueueTest, TakerWakesForAnEvent) {
  std::thread taker([&] {
    const auto key = queue_.take();
    EXPECT_TRUE(key && key->name == "a");
    if (key) queue_.done(*key);
  });

  queue_.add(job("a"));
  taker.join();

  EXPECT_TRUE(queue_.wait_idle(milliseconds{10'000}));
}

}  // namespace
}  // namespace sluice::op
