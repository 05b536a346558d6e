// People and the operator: cancels, redrives, reschedules.
#include "tests/sim/broker_world.h"
#include "tests/sim/world_limits.h"

namespace sluice::broker::testing {

using api::JobState;

// Requires: there is one.
JobId BrokerWorld::any_known() {
  return std::next(known_.begin(), static_cast<std::ptrdiff_t>(random(known_.size())))->first;
}

void BrokerWorld::cancel_something() {
  if (known_.empty()) return;
  const JobId id = any_known();
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const Result<JobView> view = engine.cancel(kQueue, id, now, sink);
    const bool answered = view && view->state != JobState::kDead;
    return [=, this] { known_[id].cancel_answered = known_[id].cancel_answered || answered; };
  });
}

void BrokerWorld::redrive() {
  ++redrives_asked_;
  submit([this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    for (const JobId id : made_) {
      const auto job = live(id);
      if (job && job->state == JobState::kDead) redriven_.insert(id);
    }
    const auto task = engine.redrive(kQueue, {}, 1 + static_cast<int>(rng_() % 50), now, sink);
    EXPECT_TRUE(task || task.error().code == ErrorCode::kConflict);
    return [=, this] {
      if (task) redrives_.insert(task->id);
    };
  });
  clock_.advance(std::chrono::milliseconds{1});  // who dies from now on is not meant
}

// Somebody wants a waiting job to run at another time.
void BrokerWorld::reschedule_something() {
  if (known_.empty()) return;
  const JobId id = any_known();
  const Duration delay = std::chrono::seconds{random(10)};
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const auto before = engine.find(kQueue, id, now);
    const bool waits =
        before && (before->state == JobState::kScheduled || before->state == JobState::kReady);
    const auto after = engine.reschedule(kQueue, id, now.wall + delay, now, sink);
    if (after) after_reschedule(id);
    EXPECT_EQ(static_cast<bool>(after), waits);
    return [] {};
  });
}

}  // namespace sluice::broker::testing
