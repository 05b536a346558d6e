#include "operator/plan/schedule_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::op {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TimePoint at(const char* rfc3339) {
  return parse_rfc3339(rfc3339).value();
}

const TimePoint kNoon = at("2026-11-22T12:00:00Z");

ScheduleInput input_of(const char* expression) {
  ScheduleInput input{.namespace_name = "default", .name = "s", .uid = "u", .generation = 1};
  input.created_at = kNoon;
  input.spec.emplace();
  input.spec->schedule = expression;
  input.spec->job_template.queue = "q";
  input.last_tick_known = true;
  return input;
}

// One plan, stored, with every tick fired: what the next plan finds.
SchedulePlan step(ScheduleInput& input, TimePoint now) {
  SchedulePlan plan = plan_schedule(input, now);
  input.status_before = plan.status;
  if (!plan.fire.empty()) input.last_tick = plan.fire.back();
  return plan;
}

const Condition& ready_of(const SchedulePlan& plan) {
  return plan.status.conditions.at(0);
}

TEST(SchedulePlan, FiresOnceATick) {
  ScheduleInput input = input_of("*/5 * * * *");
  const auto first = step(input, kNoon + 1s);
  EXPECT_THAT(first.fire, IsEmpty());
  EXPECT_EQ(first.status.next_schedule_time, kNoon + 5min);
  EXPECT_EQ(first.requeue_after, Duration{4min + 59s});
  EXPECT_EQ(ready_of(first).status, "True");

  EXPECT_THAT(step(input, kNoon + 5min).fire, ElementsAre(kNoon + 5min));
  EXPECT_THAT(step(input, kNoon + 5min + 1s).fire, IsEmpty());
  EXPECT_EQ(input.status_before.next_schedule_time, kNoon + 10min);
}

// SURVIVAL 9.
TEST(SchedulePlan, CatchesUpByItsPolicy) {
  struct Case {
    const char* name;
    api::CatchUpPolicy policy;
    int max;
    Duration away;
    std::vector<TimePoint> want;
  };
  const Case cases[] = {
      {"the last", api::CatchUpPolicy::kLast, 5, 4min + 40s, {kNoon + 4min}},
      {"all", api::CatchUpPolicy::kAll, 5, 3min, {kNoon + 1min, kNoon + 2min, kNoon + 3min}},
      {"all, at most", api::CatchUpPolicy::kAll, 2, 4min, {kNoon + 3min, kNoon + 4min}},
      {"none", api::CatchUpPolicy::kNone, 5, 4min + 40s, {}},
      {"none, on time", api::CatchUpPolicy::kNone, 5, 4min + 1s, {kNoon + 4min}},
      {"years",
       api::CatchUpPolicy::kAll,
       2,
       24h * 3650,
       {kNoon + 24h * 3650 - 1min, kNoon + 24h * 3650}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ScheduleInput input = input_of("* * * * *");
    input.spec->catch_up = {c.policy, c.max};
    EXPECT_EQ(step(input, kNoon + c.away).fire, c.want);
    EXPECT_THAT(step(input, kNoon + c.away + 1s).fire, IsEmpty());
  }
}

TEST(SchedulePlan, TicksBeyondTheDeadlineAreMissed) {
  ScheduleInput input = input_of("0 * * * *");
  const auto plan = step(input, kNoon + 1h + 301s);
  EXPECT_THAT(plan.fire, IsEmpty());
  ASSERT_EQ(plan.status.recent.size(), 1u);
  EXPECT_EQ(plan.status.recent[0].result, "Missed");
  EXPECT_EQ(plan.status.next_schedule_time, kNoon + 2h);
}

TEST(SchedulePlan, TicksWhileSuspendedAreDropped) {
  ScheduleInput input = input_of("* * * * *");
  step(input, kNoon + 1s);
  input.spec->suspend = true;
  const auto suspended = step(input, kNoon + 30s);
  EXPECT_EQ(ready_of(suspended).reason, "Suspended");
  EXPECT_FALSE(suspended.requeue_after);

  input.spec->suspend = false;
  EXPECT_THAT(step(input, kNoon + 3min + 30s).fire, IsEmpty());
  EXPECT_THAT(step(input, kNoon + 3min + 31s).fire, IsEmpty());
  EXPECT_THAT(step(input, kNoon + 4min).fire, ElementsAre(kNoon + 4min));
}

TEST(SchedulePlan, NewExpressionFiresNothingOfThePast) {
  ScheduleInput input = input_of("0 0 1 1 *");
  step(input, kNoon + 1s);
  input.spec->schedule = "* * * * *";
  input.generation = 2;
  EXPECT_THAT(step(input, kNoon + 90s).fire, IsEmpty());
  EXPECT_THAT(step(input, kNoon + 91s).fire, IsEmpty());
  EXPECT_THAT(step(input, kNoon + 2min).fire, ElementsAre(kNoon + 2min));
}

TEST(SchedulePlan, ReportsWhatKeepsItFromRunning) {
  struct Case {
    const char* reason;
    const char* status;
    std::function<void(ScheduleInput&)> arrange;
  };
  const Case cases[] = {
      {"InvalidSchedule", "False", [](auto& i) { i.spec->schedule = "0 24 * * *"; }},
      {"InvalidTimeZone", "False", [](auto& i) { i.spec->time_zone = "Mars/Olympus"; }},
      {"QueueNotFound", "False", [](auto& i) { i.queue_exists = false; }},
      {"BrokerUnavailable", "Unknown", [](auto& i) { i.broker_reachable = false; }},
      {"NeverDue", "False", [](auto& i) { i.spec->schedule = "0 0 31 2 *"; }},
      {"LastTickAhead", "False", [](auto& i) { i.last_tick = kNoon + 24h * 365; }},
      {"InvalidSpec", "False", [](auto& i) { i.spec.reset(); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.reason);
    ScheduleInput input = input_of("* * * * *");
    c.arrange(input);
    const auto plan = plan_schedule(input, kNoon + 10min);
    EXPECT_THAT(plan.fire, IsEmpty());
    EXPECT_EQ(ready_of(plan).reason, c.reason);
    EXPECT_EQ(ready_of(plan).status, c.status);
    EXPECT_EQ(ready_of(plan).observed_generation, 1);
  }
}

TEST(SchedulePlan, OutageOfTheBrokerIsCaughtUp) {
  ScheduleInput input = input_of("* * * * *");
  step(input, kNoon + 1s);
  input.broker_reachable = false;
  step(input, kNoon + 70s);
  input.broker_reachable = true;
  EXPECT_THAT(step(input, kNoon + 80s).fire, ElementsAre(kNoon + 1min));
}

TEST(SchedulePlan, TriggerFiresOncePerToken) {
  ScheduleInput input = input_of("0 0 1 1 *");
  input.spec->suspend = true;
  input.trigger_token = "a";
  EXPECT_TRUE(plan_schedule(input, kNoon).trigger);
  input.last_trigger_token = "a";
  EXPECT_FALSE(plan_schedule(input, kNoon).trigger);
}

TEST(SchedulePlan, JitterIsStableAndKeepsTheOrder) {
  ScheduleInput input = input_of("* * * * *");
  input.spec->jitter_seconds = 600;
  const TimePoint due = due_time("u", kNoon + 1min, kNoon + 2min, 600);
  EXPECT_GE(due, kNoon + 1min);
  EXPECT_LT(due, kNoon + 2min);
  EXPECT_EQ(due, due_time("u", kNoon + 1min, kNoon + 2min, 600));

  EXPECT_THAT(step(input, due - 1us).fire, IsEmpty());
  EXPECT_THAT(step(input, due).fire, ElementsAre(kNoon + 1min));
}

TEST(SchedulePlan, HistoryIsBounded) {
  ScheduleStatus status;
  for (int i = 0; i < 20; ++i) record_tick(status, {kNoon + i * 1min, "j", "Enqueued"}, 3);
  ASSERT_EQ(status.recent.size(), 3u);
  EXPECT_EQ(status.recent[0].tick, kNoon + 19min);
  EXPECT_EQ(status.last_schedule_time, kNoon + 19min);
}

}  // namespace
}  // namespace sluice::op
