#include "operator/controller/controller.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/operator/controller/operator_rig.h"

namespace sluice::op {
namespace {

using std::chrono::seconds;
using testing::Fuse;
using testing::OperatorRig;

const QueueRef kQueue = OperatorRig::kQueue;
const ObjectKey kQueueKey = OperatorRig::kQueueKey;
const ObjectKey kJobKey{ObjectKind::kJob, "default", "one"};

constexpr const char* kJobSpec = R"({"queue":"audit","payload":{"b" :1.50}})";

bool is_ready(OperatorRig& rig) {
  return rig.condition(kQueueKey, "Ready") == "True/Configured";
}
bool is_complete(OperatorRig& rig) {
  return rig.condition(kJobKey, "Complete") == "True/Succeeded";
}

TEST(Controller, QueueGrowsWithItsBacklogAndGoesBackToNothing) {
  OperatorRig rig;
  rig.workers_work = false;
  rig.start_operator();
  const Object queue = rig.declare_queue(3);
  ASSERT_TRUE(rig.eventually([&] { return is_ready(rig); })) << rig.status(kQueueKey);
  EXPECT_EQ(rig.broker().queue(kQueue)->uid, queue.uid);

  rig.broker().add_jobs(kQueue, 10);
  ASSERT_TRUE(rig.eventually([&] { return rig.pods().size() == 3; })) << rig.status(kQueueKey);
  EXPECT_EQ(rig.pods().front().owner_uid, queue.uid);

  rig.workers_work = true;
  EXPECT_TRUE(rig.eventually([&] { return rig.pods().empty(); })) << rig.status(kQueueKey);
  EXPECT_EQ(rig.peak_pods(), 3u);
}

// SURVIVAL 16: unknown is never an empty queue.
TEST(Controller, OutageHoldsTheSizeAndIsUnknown) {
  OperatorRig rig;
  rig.workers_work = false;
  rig.start_operator();
  rig.declare_queue(2);
  rig.broker().add_jobs(kQueue, 5);
  ASSERT_TRUE(rig.eventually([&] { return rig.pods().size() == 2; }));

  rig.broker().set_away(true);
  ASSERT_TRUE(rig.eventually(
      [&] { return rig.condition(kQueueKey, "Ready") == "Unknown/BrokerUnavailable"; }));
  rig.pass(seconds{300});
  EXPECT_EQ(rig.pods().size(), 2u);

  rig.broker().set_away(false);
  EXPECT_TRUE(rig.eventually([&] { return is_ready(rig); }));
}

TEST(Controller, DeletedQueueIsLetGoByItsPolicy) {
  for (const std::string policy : {"Retain", "Purge"}) {
    SCOPED_TRACE(policy);
    OperatorRig rig;
    rig.workers_work = false;
    rig.start_operator();
    const Object queue = rig.declare_queue(1, policy);
    rig.broker().add_jobs(kQueue, 2);
    ASSERT_TRUE(rig.eventually([&] { return rig.pods().size() == 1; }));

    rig.remove(queue);

    EXPECT_TRUE(rig.eventually([&] {
      const auto held = rig.broker().queue(kQueue);
      return rig.pods().empty() && (policy == "Purge" ? !held : held && held->retained);
    }));
  }
}

TEST(Controller, QueueDeletedWhileNobodyLookedIsLetGoAfterTheStart) {
  OperatorRig rig;
  rig.start_operator();
  const Object queue = rig.declare_queue(1, "Purge");
  ASSERT_TRUE(rig.eventually([&] { return is_ready(rig); }));
  rig.stop_operators();
  rig.remove(queue);

  rig.start_operator();

  EXPECT_TRUE(rig.eventually([&] { return !rig.broker().queue(kQueue); }));
}

TEST(Controller, QueueOfTheSameNameTakesOverWhatWasRetained) {
  OperatorRig rig;
  rig.workers_work = false;
  rig.start_operator();
  const Object first = rig.declare_queue(1);
  ASSERT_TRUE(rig.eventually([&] { return is_ready(rig); }));
  rig.broker().add_jobs(kQueue, 2);
  rig.stop_operators();
  rig.remove(first);
  const Object second = rig.declare_queue(1);

  rig.start_operator();

  EXPECT_TRUE(rig.eventually([&] { return is_ready(rig); })) << rig.status(kQueueKey);
  EXPECT_EQ(rig.broker().queue(kQueue)->uid, second.uid);
  EXPECT_EQ(rig.broker().jobs(kQueue).size(), 2u);
}

TEST(Controller, JobIsMirroredThenAcknowledged) {
  OperatorRig rig;
  rig.start_operator();
  const Object job = rig.declare(ObjectKind::kJob, "one", kJobSpec);  // before its queue
  ASSERT_TRUE(
      rig.eventually([&] { return rig.condition(kJobKey, "Accepted") == "False/QueueNotFound"; }));
  rig.declare_queue();

  ASSERT_TRUE(rig.eventually([&] { return is_complete(rig); })) << rig.status(kJobKey);

  EXPECT_TRUE(rig.eventually([&] { return rig.broker().is_acknowledged(job.uid); }));
  EXPECT_NE(rig.status(kJobKey).find(R"("result":{"ok":true})"), std::string::npos);
  ASSERT_EQ(rig.broker().bodies().size(), 1u);
  EXPECT_NE(rig.broker().bodies()[0].find(R"("id":")" + job.uid), std::string::npos);
}

std::string spec_depending_on(const std::string& parents) {
  return R"({"queue":"audit","payload":1,"dependsOn":[)" + parents + "]}";
}
ObjectKey job_key(const std::string& name) {
  return {ObjectKind::kJob, "default", name};
}

TEST(Controller, AJobIsEnqueuedAfterItsParentsWhateverTheOrder) {
  OperatorRig rig;
  rig.workers_work = false;
  rig.start_operator();
  rig.declare_queue();
  rig.declare(ObjectKind::kJob, "child", spec_depending_on(R"("a","b")"));
  const auto accepted = [&] { return rig.condition(job_key("child"), "Accepted"); };
  ASSERT_TRUE(rig.eventually([&] { return accepted() == "False/ParentNotFound"; }));

  const Object a = rig.declare(ObjectKind::kJob, "a", kJobSpec);
  const Object b = rig.declare(ObjectKind::kJob, "b", kJobSpec);

  ASSERT_TRUE(rig.eventually([&] { return accepted() == "True/Enqueued"; }))
      << rig.status(job_key("child"));
  const std::vector<std::string> bodies = rig.broker().bodies();
  ASSERT_EQ(bodies.size(), 3u);
  EXPECT_NE(bodies[2].find(R"("dependsOn":[")" + a.uid + R"(",")" + b.uid + R"("])"),
            std::string::npos)
      << bodies[2];
}

// SURVIVAL 29
TEST(Controller, ACycleIsToldByACondition) {
  OperatorRig rig;
  rig.start_operator();
  rig.declare_queue();
  rig.declare(ObjectKind::kJob, "a", spec_depending_on(R"("b")"));
  const Object b = rig.declare(ObjectKind::kJob, "b", spec_depending_on(R"("a")"));
  rig.declare(ObjectKind::kJob, "c", spec_depending_on(R"("a")"));
  const auto accepted = [&](const char* name) { return rig.condition(job_key(name), "Accepted"); };

  EXPECT_TRUE(rig.eventually([&] {
    return accepted("a") == "False/DependencyCycle" && accepted("b") == "False/DependencyCycle" &&
           accepted("c") == "False/ParentNotAccepted";
  }));
  rig.remove(b);

  EXPECT_TRUE(rig.eventually([&] { return accepted("a") == "False/ParentNotFound"; }));
}

TEST(Controller, AParentThatTheBrokerForgotCountsByItsStatus) {
  OperatorRig rig;
  rig.start_operator();
  rig.declare_queue();
  const Object parent = rig.declare(ObjectKind::kJob, "one", kJobSpec);
  ASSERT_TRUE(rig.eventually([&] { return is_complete(rig); }));
  ASSERT_TRUE(rig.eventually([&] { return rig.broker().is_acknowledged(parent.uid); }));
  rig.broker().drop_record(kQueue, parent.uid);

  rig.declare(ObjectKind::kJob, "child", spec_depending_on(R"("one")"));

  EXPECT_TRUE(rig.eventually([&] {
    return rig.condition(job_key("child"), "Complete") == "True/Succeeded";
  })) << rig.status(job_key("child"));
}

TEST(Controller, DeletedJobIsCancelledAndAcknowledged) {
  OperatorRig rig;
  rig.workers_work = false;
  rig.start_operator();
  rig.declare_queue();
  const Object job = rig.declare(ObjectKind::kJob, "one", kJobSpec);
  ASSERT_TRUE(
      rig.eventually([&] { return rig.condition(kJobKey, "Accepted") == "True/Enqueued"; }));

  rig.remove(job);

  EXPECT_TRUE(rig.eventually([&] { return rig.broker().is_acknowledged(job.uid); }));
  EXPECT_EQ(rig.broker().jobs(kQueue)[job.uid], api::JobState::kCancelled);
}

TEST(Controller, JobDeletedWhileNobodyLookedIsCancelledAfterTheStart) {
  OperatorRig rig;
  rig.workers_work = false;
  rig.start_operator();
  rig.declare_queue();
  const Object job = rig.declare(ObjectKind::kJob, "one", kJobSpec);
  ASSERT_TRUE(rig.eventually([&] { return rig.broker().jobs(kQueue).contains(job.uid); }));
  rig.stop_operators();
  rig.remove(job);

  rig.start_operator();

  EXPECT_TRUE(rig.eventually([&] { return rig.broker().is_acknowledged(job.uid); }));
  EXPECT_EQ(rig.broker().jobs(kQueue)[job.uid], api::JobState::kCancelled);
}

TEST(Controller, AcceptedJobWhoseRecordIsGoneFailsAndNeverRunsAgain) {
  OperatorRig rig;
  rig.workers_work = false;
  rig.start_operator();
  rig.declare_queue();
  const Object job = rig.declare(ObjectKind::kJob, "one", kJobSpec);
  ASSERT_TRUE(
      rig.eventually([&] { return rig.condition(kJobKey, "Accepted") == "True/Enqueued"; }));
  rig.stop_operators();
  rig.broker().drop_record(kQueue, job.uid);

  rig.start_operator();

  EXPECT_TRUE(rig.eventually([&] {
    return rig.condition(kJobKey, "Failed") == "True/OutcomeUnknown";
  })) << rig.status(kJobKey);
  rig.pass(seconds{120});
  EXPECT_EQ(rig.broker().bodies().size(), 1u);
}

// SURVIVAL 8.
TEST(Controller, TickFiresOnceWithTwoLeaders) {
  OperatorRig rig;
  rig.start_operator();
  rig.start_operator();
  rig.declare_queue();
  const Object schedule = rig.declare(
      ObjectKind::kSchedule, "minutely",
      R"({"schedule":"* * * * *","jobTemplate":{"spec":{"queue":"audit","payload":{}}}})");

  ASSERT_TRUE(rig.eventually([&] { return rig.broker().bodies().size() >= 2; }))
      << rig.status(schedule.key);
  rig.stop_operators();

  const auto bodies = rig.broker().bodies();
  EXPECT_EQ(std::set<std::string>(bodies.begin(), bodies.end()).size(), bodies.size());
}

// SURVIVAL 7, 8, 18.
TEST(Controller, TwoLeadersMakeNoDoublePod) {
  OperatorRig rig;
  rig.workers_work = false;
  rig.declare_queue(3);
  rig.start_operator();
  rig.start_operator();
  rig.broker().add_jobs(kQueue, 10);

  ASSERT_TRUE(rig.eventually([&] { return rig.pods().size() == 3; }));
  rig.pass(seconds{30});

  EXPECT_EQ(rig.peak_pods(), 3u);
}

// SURVIVAL 7: own writes count before the watch shows them.
TEST(Controller, LaggingWatchMakesNoSecondPod) {
  OperatorRig rig;
  rig.workers_work = false;
  testing::Operator& one = rig.start_operator();
  rig.declare_queue(2);
  ASSERT_TRUE(rig.eventually([&] { return is_ready(rig); }));
  one.store.hold_pod_events();
  rig.broker().add_jobs(kQueue, 10);
  ASSERT_TRUE(rig.eventually([&] { return rig.pods().size() == 2; }));
  rig.pass(seconds{20});

  one.store.release_pod_events();
  rig.pass(seconds{5});

  EXPECT_EQ(rig.peak_pods(), 2u);
}

// A world with a queue, a job and a backlog, and what is left of it in the end.
std::string end_state(OperatorRig& rig) {
  std::string text;
  for (const char* type : {"Ready", "WorkersAvailable", "Paused"}) {
    text += std::string(type) + "=" + rig.condition(kQueueKey, type) + " ";
  }
  for (const char* type : {"Accepted", "Complete", "Failed"}) {
    text += std::string(type) + "=" + rig.condition(kJobKey, type) + " ";
  }
  const auto job = rig.store().get(kJobKey);
  text += rig.broker().is_acknowledged(job->uid) ? "acknowledged " : "";
  text += "pods=" + std::to_string(rig.pods().size());
  text += " enqueued=" + std::to_string(rig.broker().bodies().size());
  text += " peak<=2:" + std::string(rig.peak_pods() <= 2 ? "yes" : "no");
  for (const auto& [id, state] : rig.broker().jobs(kQueue)) {
    text += std::string(" ") + std::string(to_string(state));
  }
  return text;
}

// Runs the world with an operator that ends at its `writes`-th write (never, below zero), and a
// second one after it. Whether the first one ended.
bool run_world(int writes, bool loses_reply, std::string& end) {
  OperatorRig rig;
  Fuse fuse;
  fuse.left = writes;
  fuse.loses_reply = loses_reply;
  rig.declare_queue(2);
  rig.declare(ObjectKind::kJob, "one", kJobSpec);
  rig.start_operator(&fuse);
  bool has_backlog = false;
  const auto is_over = [&] {
    if (!has_backlog && rig.broker().queue(kQueue)) {
      rig.broker().add_jobs(kQueue, 3);
      has_backlog = true;
    }
    const auto figures = rig.broker().queue(kQueue);
    return has_backlog && figures->figures.ready == 0 && is_complete(rig) && rig.pods().empty() &&
           is_ready(rig) && rig.condition(kQueueKey, "WorkersAvailable") == "True/NoneWanted" &&
           rig.broker().is_acknowledged(rig.store().get(kJobKey)->uid);
  };
  EXPECT_TRUE(rig.eventually([&] { return fuse.blown || is_over(); }));
  const bool ended = fuse.blown;
  if (ended) {
    rig.stop_operators();
    rig.start_operator();
    EXPECT_TRUE(rig.eventually(is_over)) << rig.status(kQueueKey) << rig.status(kJobKey);
  }
  end = end_state(rig);
  return ended;
}

// SURVIVAL 6: a crash between any two writes, before or after the write took effect.
TEST(Controller, EndedAtAnyWriteTheNextOneReachesTheSameEnd) {
  std::string want;
  ASSERT_FALSE(run_world(-1, false, want));
  constexpr int kWritesMax = 60;
  for (const bool loses_reply : {false, true}) {
    for (int writes = 1; writes <= kWritesMax; ++writes) {
      SCOPED_TRACE("write " + std::to_string(writes) + (loses_reply ? ", done" : ", not done"));
      std::string end;
      const bool ended = run_world(writes, loses_reply, end);
      ASSERT_EQ(end, want);
      if (!ended) break;
    }
  }
}

// SURVIVAL 11.
TEST(Controller, PodsThatFailToStartAreMadeOneByOneAndLessAndLessOften) {
  OperatorRig rig;
  rig.workers_work = rig.pods_start = false;
  rig.start_operator();
  rig.declare_queue(2);
  rig.broker().add_jobs(kQueue, 10);
  ASSERT_TRUE(
      rig.eventually([&] { return rig.condition(kQueueKey, "Progressing") == "False/Stalled"; }));
  EXPECT_NE(rig.status(kQueueKey).find("no such program"), std::string::npos);

  rig.pass(seconds{14});

  // The first two, then one after each of 1, 2 and 4 seconds.
  EXPECT_GE(rig.pods_seen(), 4u);
  EXPECT_LE(rig.pods_seen(), 6u);
}

TEST(Controller, ACorrectedTemplateWaitsForNoBackoff) {
  OperatorRig rig;
  rig.workers_work = rig.pods_start = false;
  rig.start_operator();
  rig.declare_queue(1);
  rig.broker().add_jobs(kQueue, 1);
  rig.pass(seconds{20});  // the next one would come after 16 more
  rig.pods_start = true;
  const TimePoint corrected_at = rig.clock().now().wall;

  rig.declare(ObjectKind::kQueue, kQueue.name,
              R"({"worker":{"handler":{"exec":{"command":["other"]}}},)"
              R"("scaling":{"maxReplicas":1,"backlogPerWorker":1}})");

  EXPECT_TRUE(
      rig.eventually([&] { return rig.condition(kQueueKey, "WorkersAvailable") == "True/Ready"; }));
  EXPECT_LT(rig.clock().now().wall - corrected_at, seconds{5});
}

TEST(Controller, IsIdleOnceNothingIsLeftToDo) {
  OperatorRig rig;
  testing::Operator& one = rig.start_operator();
  rig.declare_queue();
  ASSERT_TRUE(rig.eventually([&] { return is_ready(rig); }));

  EXPECT_TRUE(rig.eventually([&] { return one.controller.idle(); }));
}

}  // namespace
}  // namespace sluice::op
