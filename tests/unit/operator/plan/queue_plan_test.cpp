#include "operator/plan/queue_plan.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/api/decode.h"

namespace sluice::op {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{std::chrono::seconds{1'800'000'000}};

QueueInput input_of() {
  QueueInput input{.name = "q", .uid = "u", .generation = 2};
  input.spec.worker = api::WorkerSpec{.handler = api::ExecHandler{{"true"}}};
  input.spec.scaling.backlog_per_worker = 10;
  input.spec.scaling_set = true;
  input.template_check = TemplateCheck{true, "Valid", ""};
  return input;
}

// The broker as it answers once the configuration was put.
BrokerQueue held(const QueueInput& input) {
  return {.uid = input.uid,
          .generation = input.generation,
          .spec_json = plan_queue(input, kNow).spec_json};
}

const Condition& condition(const QueuePlan& plan, const char* type) {
  return *find_condition(plan.status.conditions, type);
}

TEST(QueuePlan, PutsWhatTheBrokerDoesNotHold) {
  struct Case {
    const char* name;
    bool want;
    std::function<void(QueueInput&)> arrange;
  };
  const Case cases[] = {
      {"held", false, [](QueueInput&) {}},
      {"none of that name", true, [](QueueInput& i) { i.broker_queue.reset(); }},
      {"an older generation", true, [](QueueInput& i) { i.broker_queue->generation = 1; }},
      {"a newer generation stays", false, [](QueueInput& i) { i.broker_queue->generation = 3; }},
      {"another uid", true, [](QueueInput& i) { i.broker_queue->uid = "v"; }},
      {"another spec", true, [](QueueInput& i) { i.broker_queue->spec_json = "{}"; }},
      {"retained", true, [](QueueInput& i) { i.broker_queue->retained = true; }},
      {"broker away", false, [](QueueInput& i) { i.broker_reachable = false; }},
      {"refused for good", false,
       [](QueueInput& i) {
         i.broker_queue.reset();
         i.configure_error = Error{ErrorCode::kInvalidArgument, "no"};
       }},
      {"invalid", false,
       [](QueueInput& i) { i.decode_error = Error{ErrorCode::kInvalidArgument, "no"}; }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    QueueInput input = input_of();
    input.broker_queue = held(input);
    c.arrange(input);
    EXPECT_EQ(plan_queue(input, kNow).put_config, c.want);
  }
}

TEST(QueuePlan, ReadySaysWhatTheBrokerHolds) {
  struct Case {
    const char* reason;
    const char* status;
    std::function<void(QueueInput&)> arrange;
  };
  const Case cases[] = {
      {"Configured", "True", [](QueueInput&) {}},
      {"Configuring", "False", [](QueueInput& i) { i.broker_queue.reset(); }},
      {"BrokerUnavailable", "Unknown", [](QueueInput& i) { i.broker_reachable = false; }},
      {"NewerGeneration", "Unknown", [](QueueInput& i) { i.broker_queue->generation = 9; }},
      {"EnqueuePaused", "False",
       [](QueueInput& i) { i.broker_queue->figures.paused_enqueue = true; }},
      {"InvalidSpec", "False",
       [](QueueInput& i) { i.decode_error = Error{ErrorCode::kInvalidArgument, "no"}; }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.reason);
    QueueInput input = input_of();
    input.broker_queue = held(input);
    c.arrange(input);
    const QueuePlan plan = plan_queue(input, kNow);
    EXPECT_EQ(condition(plan, "Ready").reason, c.reason);
    EXPECT_EQ(condition(plan, "Ready").status, c.status);
    EXPECT_EQ(plan.status.conditions.size(), 8u);
    for (const Condition& each : plan.status.conditions) EXPECT_EQ(each.observed_generation, 2);
  }
}

TEST(QueuePlan, PressureSaysWhatTheBrokerAsksOfProducers) {
  QueueInput input = input_of();
  input.broker_queue = held(input);
  EXPECT_EQ(condition(plan_queue(input, kNow), "Pressure").reason, "NotLimited");
  EXPECT_EQ(condition(plan_queue(input, kNow), "Pressure").status, "False");

  input.spec.backpressure.emplace();
  EXPECT_EQ(condition(plan_queue(input, kNow), "Pressure").reason, "BelowThresholds");
  EXPECT_NE(plan_queue(input, kNow).spec_json.find("backpressure"), std::string::npos);
  input.broker_queue->figures.pressure = api::Pressure::kThrottle;
  EXPECT_EQ(condition(plan_queue(input, kNow), "Pressure").reason, "Throttling");
  input.broker_queue->figures.pressure = api::Pressure::kReject;
  EXPECT_EQ(condition(plan_queue(input, kNow), "Pressure").reason, "Rejecting");
  EXPECT_EQ(condition(plan_queue(input, kNow), "Pressure").status, "True");
  input.broker_reachable = false;
  EXPECT_EQ(condition(plan_queue(input, kNow), "Pressure").status, "Unknown");
}

TEST(QueuePlan, CircuitClosedSaysWhetherJobsStart) {
  QueueInput input = input_of();
  input.broker_queue = held(input);
  EXPECT_EQ(condition(plan_queue(input, kNow), "CircuitClosed").reason, "NoBreaker");

  input.spec.circuit_breaker.emplace();
  EXPECT_EQ(condition(plan_queue(input, kNow), "CircuitClosed").reason, "Closed");
  EXPECT_EQ(condition(plan_queue(input, kNow), "CircuitClosed").status, "True");
  input.broker_queue->figures.circuit = api::CircuitState::kOpen;
  EXPECT_EQ(condition(plan_queue(input, kNow), "CircuitClosed").reason, "Open");
  input.broker_queue->figures.circuit = api::CircuitState::kHalfOpen;
  EXPECT_EQ(condition(plan_queue(input, kNow), "CircuitClosed").reason, "HalfOpen");
  EXPECT_EQ(condition(plan_queue(input, kNow), "CircuitClosed").status, "False");
}

TEST(QueuePlan, TheBrokerGetsEverySettingOfTheFlow) {
  QueueInput input = input_of();
  input.spec.rate_limit = api::RateLimit{.limit = 1, .period_seconds = 1, .burst = 1};
  input.spec.concurrency_limit = api::ConcurrencyLimit{.max = 1, .per_key = 1};
  input.spec.fairness_weights = {{"a", 2}};
  input.spec.circuit_breaker.emplace();
  input.spec.backpressure.emplace();

  const std::string spec = plan_queue(input, kNow).spec_json;

  for (const char* name :
       {"rateLimit", "concurrencyLimit", "fairness", "circuitBreaker", "backpressure"}) {
    EXPECT_NE(spec.find(name), std::string::npos) << name;
  }
}

TEST(QueuePlan, TemplateValidSaysWhyNoPodsAreMade) {
  QueueInput input = input_of();
  input.broker_queue = held(input);
  input.spec.scaling.min_replicas = 1;
  input.template_check = TemplateCheck{false, "Refused", "containers[0].image: Required value"};

  const QueuePlan refused = plan_queue(input, kNow);
  input.template_check.reset();
  const QueuePlan unknown = plan_queue(input, kNow);

  EXPECT_EQ(condition(refused, "TemplateValid").status, "False");
  EXPECT_EQ(condition(refused, "TemplateValid").message, "containers[0].image: Required value");
  EXPECT_TRUE(refused.pool_actions.empty());
  EXPECT_EQ(condition(unknown, "TemplateValid").status, "Unknown");
  EXPECT_TRUE(unknown.pool_actions.empty());
}

TEST(QueuePlan, WarnsWhenTheGraceIsShorterThanAJob) {
  QueueInput input = input_of();
  input.grace_seconds = 30;
  input.spec.timeout_seconds = 31;
  EXPECT_EQ(condition(plan_queue(input, kNow), "TemplateValid").reason, "GraceShorterThanTimeout");
  input.spec.timeout_seconds = 30;
  EXPECT_EQ(condition(plan_queue(input, kNow), "TemplateValid").reason, "Valid");
}

TEST(QueuePlan, ShowsTheSizeInReplicasUnlessAnotherOwnsIt) {
  QueueInput input = input_of();
  input.broker_queue = held(input);
  input.spec.scaling.min_replicas = 2;
  EXPECT_EQ(plan_queue(input, kNow).set_replicas, 2);
  input.spec.replicas = 2;
  EXPECT_EQ(plan_queue(input, kNow).set_replicas, std::nullopt) << "it stands there";

  input.pinned = input.spec.replicas = 7;
  input.pinned_by = "kubectl";
  const QueuePlan pinned = plan_queue(input, kNow);

  EXPECT_EQ(pinned.set_replicas, std::nullopt);
  EXPECT_EQ(condition(pinned, "Scaling").reason, "Pinned");
  EXPECT_EQ(condition(pinned, "Scaling").message,
            "spec.replicas belongs to kubectl; `sluice scale q auto` gives it back");
}

TEST(QueuePlan, TemplatesStayOutOfTheBroker) {
  QueueInput input = input_of();
  input.spec.worker->template_json = R"({"spec":{"containers":[{"env":"secret"}]}})";
  EXPECT_EQ(plan_queue(input, kNow).spec_json.find("secret"), std::string::npos);
}

TEST(QueuePlan, WorkOrdersPods) {
  QueueInput input = input_of();
  input.broker_queue = held(input);
  input.broker_queue->figures.dispatchable = 25;
  const QueuePlan plan = plan_queue(input, kNow);
  EXPECT_EQ(plan.pool_actions.size(), 3u);
  EXPECT_EQ(plan.status.desired_replicas, 3);
  EXPECT_EQ(condition(plan, "WorkersAvailable").status, "False");
}

// SURVIVAL 16.
TEST(QueuePlan, BrokerAwayTakesNoPod) {
  QueueInput input = input_of();
  input.pods.push_back({.name = "q-x-0", .uid = "i0", .phase = PodPhase::kRunning, .ready = true});
  input.broker_reachable = false;
  const QueuePlan plan = plan_queue(input, kNow);
  EXPECT_EQ(plan.status.desired_replicas, 1);
  EXPECT_EQ(condition(plan, "Scaling").status, "Unknown");
  for (const PoolAction& action : plan.pool_actions) {
    EXPECT_TRUE(std::holds_alternative<CreatePod>(action));
  }
}

TEST(QueuePlan, InvalidSpecDoesNothing) {
  QueueInput input = input_of();
  input.decode_error = Error{ErrorCode::kInvalidArgument, "no"};
  input.broker_queue.emplace();
  input.broker_queue->figures.dispatchable = 100;
  const QueuePlan plan = plan_queue(input, kNow);
  EXPECT_TRUE(plan.pool_actions.empty());
  EXPECT_FALSE(plan.put_config);
}

// SURVIVAL 11.
TEST(QueuePlan, PodsThatFailToStartWaitAndSayWhy) {
  QueueInput input = input_of();
  input.broker_queue = held(input);
  input.broker_queue->figures.dispatchable = 1;
  input.is_failing_to_start = true;
  input.create_not_before = kNow + 8s;
  input.start_error = "pod a: exit code 78";

  const QueuePlan plan = plan_queue(input, kNow);

  EXPECT_EQ(plan.requeue_after, Duration{8s});
  EXPECT_TRUE(plan.pool_actions.empty());
  EXPECT_EQ(find_condition(plan.status.conditions, "Progressing")->message,
            "pods fail to start, the last one was pod a: exit code 78");
  EXPECT_EQ(plan_queue(input, kNow + 8s).pool_actions.size(), 1u);
}

TEST(Conditions, TransitionTimeMovesWithTheStatusOnly) {
  const Condition was{"Ready", "True", "A", "", kNow, 1};
  const auto same = merge_conditions({was}, {{"Ready", "True", "B", "", {}, 2}}, kNow + 1s);
  const auto other = merge_conditions({was}, {{"Ready", "False", "A", "", {}, 2}}, kNow + 1s);
  EXPECT_EQ(same[0].last_transition_time, kNow);
  EXPECT_EQ(other[0].last_transition_time, kNow + 1s);
}

TEST(Conditions, TextIsCutBetweenCharacters) {
  EXPECT_EQ(cut_text("aä", 2), "a");
  EXPECT_EQ(cut_text("aä", 3), "aä");
}

}  // namespace
}  // namespace sluice::op
