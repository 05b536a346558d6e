// What clients were told, held against the broker.
#include "tests/sim/broker_world.h"
#include "tests/sim/world_limits.h"

namespace sluice::broker::testing {

using api::JobState;

std::optional<StoredJob> BrokerWorld::stored(JobId id) const {
  auto found = store_->find(*engine_->queue_number(kQueue), id, clock_.now().wall);
  EXPECT_TRUE(found);
  return found ? std::move(*found) : std::nullopt;
}

// SURVIVAL 29: a child was handed out, so its parents have Succeeded, and their results are there.
void BrokerWorld::check_parents_of(const Granted& job) {
  const KnownJob& known = known_[job.id];
  // Of a job whose answer was lost nothing is known.
  EXPECT_TRUE(known.parents.empty() || job.parents.size() == known.parents.size());
  for (const JobId id : known.parents) {
    EXPECT_TRUE(known.runs_anyway || !live(id)) << "a parent of it has not succeeded";
  }
  for (const GrantedParent& parent : job.parents) {
    if (!parent.queue) continue;
    const auto record = stored(parent.id);
    ASSERT_TRUE(record) << "a parent's record is gone";
    if (record->state != JobState::kSucceeded) continue;
    EXPECT_EQ(record->result_json, "1");
  }
}

// A claim was shown, so it is written: a killed broker knows it.
void BrokerWorld::check_leases() {
  for (const auto& [job, promise] : promises_) {
    run([&](Engine& engine, Now now, RecordSink& sink) -> Reply {
      const auto reply = engine.extend(
          {kQueue, promise.worker, "", {{job, promise.claim, {}}}, false, 1}, now, sink);
      EXPECT_TRUE(reply && reply->statuses.at(0) != api::LeaseStatus::kLost)
          << "a lease was told and is gone: " << to_string(job);
      return [] {};
    });
  }
}

void BrokerWorld::check_body_of(const Granted& job) {
  const auto bodies = store_->bodies(*engine_->queue_number(kQueue), std::span(&job.id, 1));
  ASSERT_TRUE(bodies);
  const auto& body = bodies->front();
  EXPECT_TRUE(!live(job.id) || (body && body->payload == kPayload)) << "handed out without a body";
}

// Right after a start: nothing a client was told is untrue (SURVIVAL 20).
void BrokerWorld::check_known() {
  for (const auto& [id, job] : known_) {
    const auto now_live = live(id);
    const auto on_disk = stored(id);
    if (purged_.contains(id)) {  // a child may still need to know how it ended
      EXPECT_TRUE(!now_live && (!on_disk || on_disk->state == JobState::kDead)) << to_string(id);
      continue;
    }
    if (!now_live && purges_asked_.contains(id)) continue;
    ASSERT_TRUE(on_disk) << "an acknowledged job is gone: " << to_string(id);
    ASSERT_EQ(now_live.has_value(),
              !api::has_ended(on_disk->state) || on_disk->state == JobState::kDead);
    if (job.settled) {
      EXPECT_EQ(on_disk->state, JobState::kSucceeded) << to_string(id);
    }
    if (job.cancel_answered && now_live) {
      EXPECT_TRUE(now_live->record.cancel_requested) << to_string(id);
    }
    if (now_live) {
      EXPECT_GE(now_live->record.runs, job.runs_ended) << "a run that has ended goes on";
      EXPECT_LE(now_live->record.attempts, static_cast<unsigned>(kMaxAttempts));
      EXPECT_LE(now_live->record.lease_losses, static_cast<unsigned>(kMaxLeaseLosses) + 1);
    }
  }
}

// One that was promised goes on until it is done, and never moves more than it selected.
void BrokerWorld::check_redrives(bool done) {
  std::erase_if(redrives_, [&](Uuid id) {
    const auto task = engine_->find_redrive(kQueue, id);
    EXPECT_TRUE(task || redrives_asked_ > kRedrivesMax) << "lost: " << to_string(id);
    if (!task) return true;  // made room for a newer one
    EXPECT_LE(task->redriven, task->selected);
    EXPECT_TRUE(!done || task->state != RedriveState::kRunning) << to_string(id);
    return false;
  });
}

// A settlement and its follow-up happen together, and once.
void BrokerWorld::check_follow_ups() {
  std::map<std::string, int> after;
  for (const ListScope scope : {ListScope::kDead, ListScope::kFinished}) {
    const auto page = store_->list(*engine_->queue_number(kQueue), scope, {}, 1'000'000, 1'000'000,
                                   clock_.now().wall, [](const StoredJob&) { return true; });
    ASSERT_TRUE(page);
    for (const StoredJob& job : page->jobs) {
      const auto label = job.extras->labels.find(kAfter);
      if (label != job.extras->labels.end()) ++after[label->second];
    }
  }
  for (const auto& [id, job] : known_) {
    const int follow_ups = after[to_string(id)];
    EXPECT_LE(follow_ups, 1) << to_string(id);
    EXPECT_TRUE(!job.has_follow_up || follow_ups == 1) << to_string(id);
  }
}

}  // namespace sluice::broker::testing
