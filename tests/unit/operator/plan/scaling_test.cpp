#include "operator/plan/scaling.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

namespace sluice::op {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{std::chrono::seconds{1'800'000'000}};

api::QueueFigures figures(std::int64_t dispatchable, std::int64_t running = 0) {
  api::QueueFigures f;
  f.dispatchable = dispatchable;
  f.ready = dispatchable;
  f.running = running;
  f.mean_slot_seconds = 1;
  f.finished_recently = 100;
  return f;
}

ScalingInput input_of(api::QueueFigures f, int current = 0) {
  ScalingInput input;
  input.scaling.backlog_per_worker = 10;
  input.figures = f;
  input.current = current;
  return input;
}

TEST(Scaling, FollowsTheFormula) {
  struct Case {
    const char* name;
    api::QueueFigures figures;
    std::optional<int> backlog_per_worker;
    std::optional<int> drain_seconds;
    int concurrency;
    int max_jobs_per_pod;
    int want;
  };
  api::QueueFigures arriving = figures(0);
  arriving.ready_per_second = 12;  // × 2 s = 24 slots
  arriving.mean_slot_seconds = 2;
  api::QueueFigures unfinished = figures(0, 4);
  unfinished.finished_recently = 0;
  unfinished.running_elapsed_seconds = 120;  // m = 30 s of D = 60: half of 4 running
  api::QueueFigures soon = figures(5);
  soon.due_soon = 6;
  const Case cases[] = {
      {"nothing", figures(0), 10, 60, 1, 0, 0},
      {"backlog rounds up", figures(11), 10, {}, 1, 0, 2},
      {"running counts in the backlog", figures(11, 10), 10, {}, 1, 0, 3},
      {"due soon counts as waiting", soon, 10, {}, 1, 0, 2},
      {"drain in a minute", figures(600), {}, 60, 1, 0, 10},
      {"drain, four at once", figures(600), {}, 60, 4, 0, 3},
      {"maxJobsPerPod caps concurrency", figures(600), {}, 60, 4, 2, 5},
      {"Little's law", arriving, {}, 60, 8, 0, 3},
      {"no run has ended yet", unfinished, {}, 60, 1, 0, 2},
      {"the higher of both targets", figures(600), 10, 60, 1, 0, 60},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ScalingInput input = input_of(c.figures);
    input.scaling.backlog_per_worker = c.backlog_per_worker;
    input.scaling.drain_seconds = c.drain_seconds;
    input.concurrency = c.concurrency;
    input.max_jobs_per_pod = c.max_jobs_per_pod;
    EXPECT_EQ(wanted_replicas(input), c.want);
  }
}

TEST(Scaling, LimitsOfTheQueueCapTheSlots) {
  ScalingInput input = input_of(figures(6'000));  // wants 100 slots of a second each
  input.scaling.backlog_per_worker.reset();
  input.scaling.drain_seconds = 60;
  EXPECT_EQ(wanted_replicas(input), 100);

  input.concurrency_limit = api::ConcurrencyLimit{.max = 30, .per_key = {}};
  EXPECT_EQ(wanted_replicas(input), 30);
  input.rate_limit = api::RateLimit{.limit = 50, .period_seconds = 10, .burst = 50};
  EXPECT_EQ(wanted_replicas(input), 5);
  input.rate_limit->limit = 1;
  EXPECT_EQ(wanted_replicas(input), 1);  // a tenth of a slot
}

TEST(Scaling, AnOpenCircuitKeepsOneWorkerAndDoesNotGrow) {
  ScalingInput input = input_of(figures(0), 4);
  input.figures->ready = 1'000;
  input.figures->circuit = api::CircuitState::kOpen;
  input.scaling.scale_down_stabilization_seconds = 60;

  const auto at_once = decide_scale(input, {}, kNow);
  const auto later = decide_scale(input, at_once.memory, kNow + 60s);
  input.figures->circuit = api::CircuitState::kHalfOpen;
  input.figures->dispatchable = 3;
  const auto probing = decide_scale(input, later.memory, kNow + 61s);

  EXPECT_EQ(at_once.replicas, 4);
  EXPECT_EQ(at_once.reason, "CircuitOpen");
  EXPECT_EQ(at_once.requeue_after, Duration{60s});
  EXPECT_EQ(later.replicas, 1);
  EXPECT_EQ(probing.replicas, 1);
  EXPECT_EQ(decide_scale(input, {}, kNow).replicas, 4);
}

TEST(Scaling, AnOpenCircuitWithoutWorkersGetsOneForTheProbes) {
  ScalingInput input = input_of(figures(0));
  input.figures->ready = 1'000;
  input.figures->circuit = api::CircuitState::kOpen;
  EXPECT_EQ(decide_scale(input, {}, kNow).replicas, 1);

  input.figures->ready = 0;
  EXPECT_EQ(decide_scale(input, {}, kNow).replicas, 0);
}

TEST(Scaling, ColdStartIsPartOfAFreshPodsSlotTime) {
  ScalingInput input = input_of(figures(0));
  input.cold_start = 6s;
  input.concurrency = 2;
  input.max_jobs_per_pod = 4;
  EXPECT_DOUBLE_EQ(mean_slot_seconds(input), 1 + 6.0 * 2 / 4);
}

TEST(Scaling, AbsurdFiguresStayInBounds) {
  api::QueueFigures f = figures(std::numeric_limits<std::int64_t>::max() / 4, -5);
  f.ready_per_second = std::nan("");
  f.mean_slot_seconds = INFINITY;
  ScalingInput input = input_of(f);
  input.scaling.drain_seconds = 1;
  EXPECT_EQ(wanted_replicas(input), kWantedReplicasMax);
  EXPECT_LE(decide_scale(input, {}, kNow).replicas, input.scaling.max_replicas);
}

TEST(Scaling, FirstJobOfAnEmptyQueueOrdersAPodAtOnce) {
  const auto decision = decide_scale(input_of(figures(1)), {}, kNow);
  EXPECT_EQ(decision.replicas, 1);
  EXPECT_EQ(decision.reason, "Backlog");
}

TEST(Scaling, GrowthIsLimitedAPeriod) {
  ScalingInput input = input_of(figures(1'000));
  input.scaling.max_replicas = 100;

  const auto first = decide_scale(input, {}, kNow);
  const auto same_period = decide_scale(input, first.memory, kNow + 1s);
  const auto next_period = decide_scale(input, same_period.memory, kNow + 5s);

  EXPECT_EQ(first.replicas, 10);
  EXPECT_EQ(first.requeue_after, Duration{5s});
  EXPECT_EQ(same_period.replicas, 10);  // SURVIVAL 18: what was ordered counts as ordered
  EXPECT_EQ(same_period.reason, "ScaleUpLimited");
  EXPECT_EQ(same_period.requeue_after, Duration{4s});
  EXPECT_EQ(next_period.replicas, 20);
}

TEST(Scaling, ShrinksToTheHighestWishOfTheWindow) {
  ScalingInput input = input_of(figures(80));
  auto memory = decide_scale(input, {}, kNow).memory;
  input.current = 8;
  input.figures = figures(30);
  const auto early = decide_scale(input, memory, kNow + 30s);
  const auto late = decide_scale(input, early.memory, kNow + 60s);

  EXPECT_EQ(early.replicas, 8);
  EXPECT_EQ(early.reason, "Stabilizing");
  EXPECT_EQ(early.requeue_after, Duration{30s});
  EXPECT_EQ(late.replicas, 3);
}

TEST(Scaling, ZeroOnlyAfterIdle) {
  ScalingInput input = input_of(figures(1));
  input.scaling.scale_down_stabilization_seconds = 0;
  auto memory = decide_scale(input, {}, kNow).memory;
  input.current = 1;
  input.figures = figures(0);
  input.figures->ready_per_second = 0.5;  // the average's tail

  const auto idle = decide_scale(input, memory, kNow + 10s);
  const auto still = decide_scale(input, idle.memory, kNow + 39s);
  const auto done = decide_scale(input, still.memory, kNow + 40s);

  EXPECT_EQ(idle.replicas, 1);
  EXPECT_EQ(idle.reason, "IdleHold");
  EXPECT_EQ(idle.requeue_after, Duration{30s});
  EXPECT_EQ(still.replicas, 1);
  EXPECT_EQ(done.replicas, 0);
  EXPECT_EQ(done.reason, "Idle");
  EXPECT_FALSE(done.requeue_after);
}

TEST(Scaling, TailOfTheRateStartsNoWorker) {
  ScalingInput input = input_of(figures(0));
  input.scaling.drain_seconds = 60;
  input.figures->ready_per_second = 5;
  EXPECT_EQ(decide_scale(input, {}, kNow).replicas, 0);
}

// SURVIVAL 16.
TEST(Scaling, UnknownFiguresHoldTheSize) {
  ScalingInput input = input_of(figures(50));
  const auto known = decide_scale(input, {}, kNow);
  input.figures.reset();
  input.current = 2;  // three pods died meanwhile: they are replaced

  const auto unknown = decide_scale(input, known.memory, kNow + 24h);
  EXPECT_EQ(unknown.replicas, 5);
  EXPECT_EQ(unknown.reason, "UnknownFigures");
  EXPECT_EQ(decide_scale(input, {}, kNow).replicas, 2);  // after a restart

  // Known to be empty again: every brake starts anew.
  input.figures = figures(0);
  input.current = 5;
  EXPECT_EQ(decide_scale(input, unknown.memory, kNow + 24h + 1s).replicas, 5);
}

TEST(Scaling, PausedDispatchGoesToTheMinimumAfterIdleSeconds) {
  ScalingInput input = input_of(figures(50));
  input.scaling.min_replicas = 1;
  auto memory = decide_scale(input, {}, kNow).memory;
  input.current = 5;
  input.figures->paused_dispatch = true;
  const auto held = decide_scale(input, memory, kNow + 1s);
  const auto gone = decide_scale(input, held.memory, kNow + 31s);
  EXPECT_EQ(held.replicas, 5);
  EXPECT_EQ(held.requeue_after, Duration{30s});
  EXPECT_EQ(gone.replicas, 1);
}

TEST(Scaling, PinOverridesMinimumAndMaximum) {
  ScalingInput input = input_of(figures(50));
  for (const int pin : {0, 50}) {
    input.pinned = pin;
    const auto decision = decide_scale(input, {}, kNow);
    EXPECT_EQ(decision.replicas, pin);
    EXPECT_EQ(decision.reason, "Pinned");
  }
}

// --- properties --------------------------------------------------------------------------------

ScalingInput random_input() {
  ScalingInput input;
  input.scaling.min_replicas = *rc::gen::inRange(0, 5);
  input.scaling.max_replicas = input.scaling.min_replicas + *rc::gen::inRange(0, 50);
  if (*rc::gen::arbitrary<bool>()) input.scaling.backlog_per_worker = *rc::gen::inRange(1, 20);
  if (!input.scaling.backlog_per_worker || *rc::gen::arbitrary<bool>()) {
    input.scaling.drain_seconds = *rc::gen::inRange(1, 300);
  }
  input.scaling.idle_seconds = *rc::gen::inRange(0, 60);
  input.scaling.scale_down_stabilization_seconds = *rc::gen::inRange(0, 120);
  input.concurrency = *rc::gen::inRange(1, 10);
  input.max_jobs_per_pod = *rc::gen::inRange(0, 4);
  input.current = *rc::gen::inRange(0, 60);
  api::QueueFigures f = figures(*rc::gen::inRange(0, 500), *rc::gen::inRange(0, 50));
  f.due_soon = *rc::gen::inRange(0, 10);
  f.ready_per_second = *rc::gen::inRange(0, 100) / 7.0;
  f.mean_slot_seconds = *rc::gen::inRange(0, 100) / 9.0;
  f.finished_recently = *rc::gen::inRange(0, 3);
  f.running_elapsed_seconds = *rc::gen::inRange(0, 100);
  input.figures = f;
  return input;
}

RC_GTEST_PROP(ScalingProperty, StaysInBoundsAndNeverSpins, ()) {
  ScalingMemory memory;
  TimePoint now = kNow;
  for (int i = 0; i < 20; ++i) {
    ScalingInput input = random_input();
    if (*rc::gen::inRange(0, 5) == 0) input.figures.reset();
    if (*rc::gen::inRange(0, 5) == 0 && input.figures) input.figures->paused_dispatch = true;
    const auto decision = decide_scale(input, memory, now);
    RC_ASSERT(decision.replicas >= input.scaling.min_replicas);
    RC_ASSERT(decision.replicas <= input.scaling.max_replicas);
    RC_ASSERT(!decision.reason.empty());
    if (decision.requeue_after) RC_ASSERT(*decision.requeue_after >= Duration{100ms});
    RC_ASSERT(decision.memory.recent.size() <= 64u);
    memory = decision.memory;
    now += Duration{*rc::gen::inRange(0, 30'000'000)};
  }
}

RC_GTEST_PROP(ScalingProperty, NeverShrinksOnUnknown, ()) {
  ScalingInput input = random_input();
  input.current = std::min(input.current, input.scaling.max_replicas);
  const auto before = decide_scale(input, {}, kNow);
  input.figures.reset();
  const auto after = decide_scale(input, before.memory, kNow + 1h);
  RC_ASSERT(after.replicas >= before.replicas);
}

RC_GTEST_PROP(ScalingProperty, WantsNoFewerForMoreWork, ()) {
  ScalingInput input = random_input();
  const int before = wanted_replicas(input);
  input.figures->dispatchable += *rc::gen::inRange(1, 100);
  RC_ASSERT(wanted_replicas(input) >= before);
}

RC_GTEST_PROP(ScalingProperty, WorkAlwaysGetsAWorker, ()) {
  ScalingInput input = random_input();
  input.figures->dispatchable += 1;
  RC_PRE(input.scaling.max_replicas > 0);
  input.current = 0;
  RC_ASSERT(decide_scale(input, {}, kNow).replicas >= 1);
}

// A queue with steady arrivals, second by second for an hour after a quarter to settle.
TEST(Scaling, SteadyLoadDoesNotFlap) {
  struct Case {
    const char* name;
    double per_second;
    double seconds_each;
    int concurrency;
  };
  const Case cases[] = {{"light", 0.4, 1.5, 1}, {"middling", 10.3, 2, 4}, {"heavy", 200.7, 0.5, 8}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ScalingInput input = input_of(figures(0));
    input.scaling.backlog_per_worker.reset();
    input.scaling.drain_seconds = 30;
    input.scaling.max_replicas = 100;
    input.concurrency = c.concurrency;
    ScalingMemory memory;
    double waiting = 0;
    double rate = 0;
    int changes = 0;
    int size = 0;
    std::uint64_t noise = 42;
    for (int second = 0; second < 4'500; ++second) {
      noise = noise * 6364136223846793005ull + 1442695040888963407ull;
      const double spread = std::min(c.per_second, std::sqrt(3 * c.per_second));  // as Poisson's
      const double draw = static_cast<double>(noise >> 40) / (1 << 23) - 1;
      const double arrived = c.per_second + spread * draw;
      rate += (arrived - rate) / 60;
      waiting += arrived;
      const double served = std::min(waiting, size * c.concurrency / c.seconds_each);
      waiting -= served;
      input.figures = figures(static_cast<std::int64_t>(waiting),
                              static_cast<std::int64_t>(std::ceil(served * c.seconds_each)));
      input.figures->mean_slot_seconds = c.seconds_each;
      input.figures->running_elapsed_seconds = 0;
      input.figures->ready_per_second = rate;
      input.current = size;
      const auto decision = decide_scale(input, memory, kNow + std::chrono::seconds{second});
      memory = decision.memory;
      if (second >= 900 && decision.replicas != size) ++changes;
      size = decision.replicas;
    }
    EXPECT_LE(changes, 12);
    EXPECT_LT(waiting, c.per_second * 30 + 1);
  }
}

}  // namespace
}  // namespace sluice::op
