// Many Job resources at once: what is written for them, and how their outcomes are let go.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "operator/controller/broker_view.h"
#include "tests/unit/operator/controller/operator_rig.h"

namespace sluice::op {
namespace {

using testing::OperatorRig;

constexpr const char* kJobSpec = R"({"queue":"audit","payload":1})";

TEST(BrokerView, AnEnqueuesAnswerDoesNotUndoWhatTheFeedTold) {
  const QueueRef queue{"default", "audit"};
  const ObjectKey key{ObjectKind::kJob, "default", "one"};
  BrokerJob ended;
  ended.state = api::JobState::kSucceeded;
  BrokerView view;
  view.observe(OutcomeEvent{queue, "uid", "one", ended});

  view.note_enqueued({queue, "uid", "one", BrokerJob{}});

  ASSERT_EQ(view.outcomes(key).size(), 1u);
  EXPECT_EQ(view.outcomes(key)[0].job.state, api::JobState::kSucceeded);
}

TEST(BrokerView, AnEnqueuesAnswerStandsUntilTheFeedTellsMore) {
  const ObjectKey key{ObjectKind::kJob, "default", "one"};
  BrokerView view;

  view.note_enqueued({{"default", "audit"}, "uid", "one", BrokerJob{}});

  ASSERT_EQ(view.outcomes(key).size(), 1u);
  EXPECT_EQ(view.outcomes(key)[0].job.state, api::JobState::kReady);
}

// SURVIVAL 6: acknowledged only once the end stands, and each of them is.
TEST(OutcomeAcks, EveryJobOfManyIsAcknowledged) {
  OperatorRig rig;
  rig.start_operator();
  rig.declare_queue();
  std::vector<Object> jobs;
  for (int i = 0; i < 150; ++i) {
    jobs.push_back(rig.declare(ObjectKind::kJob, "job-" + std::to_string(i), kJobSpec));
  }

  EXPECT_TRUE(rig.eventually([&] {
    return std::all_of(jobs.begin(), jobs.end(), [&](const Object& job) {
      return rig.broker().is_acknowledged(job.uid) &&
             rig.condition(job.key, "Complete") == "True/Succeeded";
    });
  }));
}

}  // namespace
}  // namespace sluice::op
