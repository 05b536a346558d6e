#include "operator/plan/pool_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace sluice::op {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr TimePoint kNow{std::chrono::seconds{1'800'000'000}};

// A pool told in verbs: pods with what the broker says of their workers.
struct Pool {
  PoolInput input{.queue = "q", .queue_uid = "u1", .template_hash = "today"};

  explicit Pool(int desired) {
    input.desired = desired;
    input.workers.emplace();
  }
  std::string name(int ordinal) const { return pod_name(input, ordinal); }
  PodFacts& pod(int ordinal, const std::string& hash = "today") {
    PodFacts pod{
        .name = name(ordinal), .uid = "i" + std::to_string(ordinal), .template_hash = hash};
    pod.phase = PodPhase::kRunning;
    pod.ready = true;
    pod.created_at = kNow - 10s;
    return input.pods.emplace_back(pod);
  }
  api::WorkerFigures& worker(int ordinal, std::int64_t running, bool drain = false) {
    api::WorkerFigures worker;
    worker.name = name(ordinal);
    worker.instance = "i" + std::to_string(ordinal);
    worker.running = running;
    worker.holding = running;
    worker.drain_requested = worker.draining = drain;
    worker.seen_at = kNow - 1s;
    return input.workers->emplace_back(worker);
  }
  std::vector<PoolAction> actions() const { return plan_pool(input, kNow).actions; }
  PoolAction create(int ordinal) const { return CreatePod{ordinal, name(ordinal)}; }
  PoolAction drain(int o) const { return DrainWorker{name(o), "i" + std::to_string(o)}; }
  PoolAction undrain(int o) const { return UndrainWorker{name(o), "i" + std::to_string(o)}; }
  PoolAction remove(int o) const { return DeletePod{name(o), "i" + std::to_string(o)}; }
  PoolAction gone(int o, const char* cause) const {
    return ReportGone{name(o), "i" + std::to_string(o), cause};
  }
};

TEST(PoolPlan, CreatesTheLowestFreeOrdinals) {
  Pool pool(4);
  pool.pod(1);
  pool.pod(2).deleting = true;  // Terminating holds its name
  EXPECT_THAT(pool.actions(), ElementsAre(pool.create(0), pool.create(3), pool.create(4)));
}

TEST(PoolPlan, UndrainsBeforeItCreates) {
  Pool pool(3);
  pool.pod(0);
  pool.pod(1);
  pool.worker(0, 0);
  pool.worker(1, 2, true);
  EXPECT_THAT(pool.actions(), ElementsAre(pool.undrain(1), pool.create(2)));
}

TEST(PoolPlan, DrainsIdleWorkersThenThoseWithLeastToLose) {
  Pool pool(1);
  for (int i = 0; i < 4; ++i) pool.pod(i);
  pool.worker(0, 1);
  pool.worker(1, 5);
  pool.worker(2, 0);
  pool.worker(3, 3);
  EXPECT_THAT(pool.actions(), ElementsAre(pool.drain(2), pool.drain(0), pool.drain(3)));
}

TEST(PoolPlan, DeletesOnlyWhenNothingIsHeld) {
  struct Case {
    const char* name;
    std::int64_t running;
    std::int64_t holding;
    bool draining;
    Duration silent;
    bool want;
  };
  const Case cases[] = {
      {"done", 0, 0, true, 1s, true},
      {"still holds a job", 1, 1, true, 1s, false},
      {"has not heard of the drain", 0, 0, false, 1s, false},
      {"settled at the broker, still holding", 0, 1, true, 1s, false},
      {"silent for a lease, holds nothing", 0, 1, false, 30s, true},
      {"silent, but its lease lives", 1, 1, false, 300s, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Pool pool(0);
    pool.pod(0);
    auto& worker = pool.worker(0, c.running, true);
    worker.holding = c.holding;
    worker.draining = c.draining;
    worker.seen_at = kNow - c.silent;
    if (c.want) {
      EXPECT_THAT(pool.actions(), ElementsAre(pool.remove(0)));
    } else {
      EXPECT_THAT(pool.actions(), IsEmpty());
    }
  }
}

// SURVIVAL 16.
TEST(PoolPlan, NothingIsTakenAwayWhileTheBrokerIsUnknown) {
  Pool pool(0);
  pool.pod(0);
  pool.pod(1).phase = PodPhase::kFailed;
  pool.input.workers.reset();
  EXPECT_THAT(pool.actions(), IsEmpty());
}

// SURVIVAL 10, 23.
TEST(PoolPlan, EndedPodsAreReportedWithTheirCause) {
  struct Case {
    const char* reason;
    std::optional<int> exit_code;
    bool deleting;
    const char* want;
  };
  const Case cases[] = {
      {"Completed", 0, false, "Disruption"},
      {"Evicted", {}, false, "Disruption"},
      {"Preempted", 143, false, "Disruption"},
      {"NodeLost", {}, false, "Disruption"},
      {"Error", 143, true, "Disruption"},
      {"OOMKilled", 137, false, "Crash"},
      {"OOMKilled", 137, true, "Crash"},
      {"Error", 1, false, "Crash"},
      {"", 139, false, "Crash"},
      {"", {}, false, "Unknown"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.reason);
    Pool pool(0);
    PodFacts& pod = pool.pod(0);
    pod.phase = PodPhase::kFailed;
    pod.end_reason = c.reason;
    pod.exit_code = c.exit_code;
    pod.deleting = c.deleting;
    const auto actions = pool.actions();
    ASSERT_FALSE(actions.empty());
    EXPECT_EQ(actions[0], pool.gone(0, c.want));
    EXPECT_EQ(actions.size(), c.deleting ? 1u : 2u);
  }
}

TEST(PoolPlan, CreationBacksOff) {
  Pool pool(1);
  pool.input.create_not_before = kNow + 4s;
  const PoolPlan plan = plan_pool(pool.input, kNow);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_EQ(plan.requeue_after, Duration{4s});
  EXPECT_EQ(plan.progress_reason, "Stalled");
}

TEST(PoolPlan, RollsByTheSurge) {
  Pool pool(4);
  for (int i = 0; i < 4; ++i) pool.pod(i, "yesterday"), pool.worker(i, i);
  EXPECT_THAT(pool.actions(), ElementsAre(pool.create(4)));

  PodFacts& fresh = pool.pod(4);
  fresh.ready = false;
  fresh.waiting_reason = "ImagePullBackOff";
  const PoolPlan broken = plan_pool(pool.input, kNow);
  EXPECT_THAT(broken.actions, IsEmpty());  // no old one goes for a template that does not start
  EXPECT_EQ(broken.progress_reason, "Stalled");
  EXPECT_EQ(broken.progress_message, "pod " + fresh.name + ": ImagePullBackOff");

  fresh.ready = true;
  fresh.waiting_reason.clear();
  EXPECT_THAT(pool.actions(), ElementsAre(pool.drain(0), pool.drain(1)));
}

TEST(PoolPlan, PodTheBrokerNeverSawIsDeletedWhenNotWanted) {
  Pool pool(0);
  PodFacts& pod = pool.pod(0);
  pod.ready = false;
  EXPECT_THAT(pool.actions(), ElementsAre(pool.drain(0)));
  pool.input.pods[0].created_at = kNow - 30s;
  EXPECT_THAT(pool.actions(), ElementsAre(pool.remove(0)));
}

TEST(PoolPlan, RolledWhenAllAreReady) {
  Pool pool(1);
  pool.pod(0);
  EXPECT_EQ(plan_pool(pool.input, kNow).progress_reason, "Rolled");
}

TEST(PoolPlan, AWorkerThatHasDoneItsShareGoesByItself) {
  Pool pool(0);
  pool.pod(0);
  pool.pod(1);
  pool.worker(0, 0).draining = true;  // as with maxJobsPerPod: nobody asked it to
  pool.worker(1, 1).draining = true;
  EXPECT_THAT(pool.actions(), ElementsAre(pool.remove(0)));
}

// SURVIVAL 11
TEST(PoolPlan, APoolThatFailsToStartMakesOnePodAtATime) {
  Pool pool(5);
  pool.input.is_failing_to_start = true;
  pool.input.start_error = "pod a: exit code 1";
  EXPECT_THAT(pool.actions(), ElementsAre(pool.create(0)));

  pool.pod(0).ready = false;
  EXPECT_THAT(pool.actions(), IsEmpty()) << "the one that starts tells whether others may";
}

// SURVIVAL 4, 11: the API server refused one, or its answer was lost.
TEST(PoolPlan, APodThatStartsHoldsUpNoOtherWhereCreatesWereRefused) {
  Pool pool(3);
  pool.input.is_failing_to_start = true;
  pool.pod(0).ready = false;

  EXPECT_THAT(pool.actions(), ElementsAre(pool.create(1)));
}

TEST(PoolPlan, ARefusedTemplateMakesNoPodsAndTakesNoneAway) {
  Pool pool(2);
  pool.pod(0);
  pool.input.may_create = false;
  EXPECT_THAT(pool.actions(), IsEmpty());
}

TEST(PoolPlan, WorkersOfAnotherInjectedVersionGoOneByOneWhileIdle) {
  Pool pool(3);
  for (const int ordinal : {0, 1, 2}) pool.pod(ordinal);
  pool.worker(0, 1);
  pool.worker(1, 0);
  pool.worker(2, 0);
  pool.input.injected_version = "2";  // changes the names of pods to come
  std::vector<PodFacts> pods = pool.input.pods;

  EXPECT_THAT(pool.actions(), ElementsAre(DrainWorker{pods[2].name, "i2"}));

  pool.input.workers->at(1).running = pool.input.workers->at(2).running = 1;
  EXPECT_THAT(pool.actions(), IsEmpty()) << "busy workers are left alone";
}

TEST(PoolPlan, StalledNamesWhyPodsCannotBeMade) {
  Pool pool(1);
  pool.input.create_error = "exceeded quota";

  const PoolPlan plan = plan_pool(pool.input, kNow);

  EXPECT_EQ(plan.progress_reason, "Stalled");
  EXPECT_EQ(plan.progress_message, "pods cannot be created: exceeded quota");
}

TEST(PodName, FitsALabelAndKeepsItsOrdinal) {
  const PoolInput pool{.queue = std::string(52, 'q'), .queue_uid = "uid", .template_hash = "hash"};
  PoolInput other = pool;
  other.queue_uid = "uid2";
  PoolInput newer = pool;
  newer.injected_version = "2";

  const std::string name = pod_name(pool, 9'999);

  EXPECT_LE(name.size(), 63u);
  EXPECT_EQ(pod_ordinal(name), 9'999);
  EXPECT_EQ(pod_ordinal("other"), std::nullopt);
  EXPECT_NE(name, pod_name(other, 9'999));
  EXPECT_NE(name, pod_name(newer, 9'999));
  EXPECT_TRUE(is_pod_name(pool.queue, name));
  EXPECT_FALSE(is_pod_name("q", name));
  EXPECT_FALSE(is_pod_name("q", "q-1"));
}

TEST(TemplateHash, ChangesWithWhatAPodIsMadeFrom) {
  api::WorkerSpec worker{.handler = api::ExecHandler{{"a", "bc"}}};
  api::WorkerSpec other{.handler = api::ExecHandler{{"ab", "c"}}};
  EXPECT_NE(template_hash(worker), template_hash(other));
  other = worker;
  other.rollout.progress_deadline_seconds = 1;
  EXPECT_EQ(template_hash(worker), template_hash(other));

  api::HttpHandler http{.port = 8080, .path = "/"};
  worker.handler = http;
  EXPECT_EQ(template_hash(worker), "qnj3rzdvph");  // an upgrade of the operator replaces no pod
  http.body = api::HttpBody::kPayloadAndParents;
  other.handler = http;
  other.rollout = worker.rollout;
  EXPECT_NE(template_hash(worker), template_hash(other));
}

RC_GTEST_PROP(PoolPlanProperty, NeverDeletesALiveLeaseNorOvershoots, ()) {
  Pool pool(*rc::gen::inRange(0, 8));
  const int count = *rc::gen::inRange(0, 10);
  for (int i = 0; i < count; ++i) {
    const bool fresh = *rc::gen::arbitrary<bool>();
    PodFacts& pod = pool.pod(i * 2, fresh ? "today" : "yesterday");
    pod.phase = static_cast<PodPhase>(*rc::gen::inRange(0, 4));
    pod.ready = pod.phase == PodPhase::kRunning && *rc::gen::arbitrary<bool>();
    pod.deleting = *rc::gen::inRange(0, 5) == 0;
    pod.created_at = kNow - Duration{std::chrono::seconds{*rc::gen::inRange(0, 60)}};
    if (*rc::gen::inRange(0, 4) == 0) continue;
    auto& worker = pool.worker(i * 2, *rc::gen::inRange(0, 3), *rc::gen::arbitrary<bool>());
    worker.draining = *rc::gen::arbitrary<bool>();
    worker.holding = *rc::gen::inRange(0, 2);
    worker.seen_at = kNow - Duration{std::chrono::seconds{*rc::gen::inRange(0, 60)}};
  }
  if (*rc::gen::inRange(0, 6) == 0) pool.input.workers.reset();

  const PoolPlan plan = plan_pool(pool.input, kNow);

  std::set<std::string> names;
  for (const PodFacts& pod : pool.input.pods) names.insert(pod.name);
  int added = 0;
  for (const PoolAction& action : plan.actions) {
    if (const auto* create = std::get_if<CreatePod>(&action)) {
      RC_ASSERT(names.insert(create->name).second);
      ++added;
    }
    if (std::holds_alternative<UndrainWorker>(action)) ++added;
    const auto* remove = std::get_if<DeletePod>(&action);
    if (remove == nullptr) continue;
    for (const PodFacts& pod : pool.input.pods) {
      const bool alive = pod.uid == remove->uid &&
                         (pod.phase == PodPhase::kPending || pod.phase == PodPhase::kRunning);
      if (!alive) continue;
      RC_ASSERT(pool.input.workers.has_value());
      for (const auto& worker : *pool.input.workers) {
        if (worker.instance == pod.uid) RC_ASSERT(worker.running == 0);
      }
    }
  }
  const int surge = (pool.input.desired * 25 + 99) / 100;
  if (added > 0) RC_ASSERT(plan.counted + added <= pool.input.desired + surge);
  RC_ASSERT(plan.counted == counted_pods(pool.input));
}

}  // namespace
}  // namespace sluice::op
