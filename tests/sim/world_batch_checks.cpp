// What happens together and what happens once: batches, keys, messages, groups.
#include "tests/sim/broker_world.h"

namespace sluice::broker::testing {

// A batch is one commit.
void BrokerWorld::check_batches() {
  for (const auto& [number, batch] : std::exchange(batches_, {})) {
    std::size_t there = 0;
    for (const JobId id : batch.jobs) there += stored(id) || purges_asked_.contains(id) ? 1 : 0;
    EXPECT_TRUE(there == batch.jobs.size() || (there == 0 && !batch.answered))
        << there << " of " << batch.jobs.size() << " jobs of one batch";
    if (there == 0) continue;
    for (const JobId id : batch.jobs) known_.try_emplace(id);
  }
}

// However often it was sent and whatever answer was lost, there is one job of a key; of those under
// a unique key one has not ended.
void BrokerWorld::check_keys() {
  for (const auto& [key, jobs] : made_by_key_) {
    int there = 0;
    for (const JobId id : jobs) there += stored(id) ? 1 : 0;
    EXPECT_LE(there, 1) << key;
  }
  for (const auto& [key, jobs] : made_by_unique_key_) {
    int not_ended = 0;
    for (const JobId id : jobs) {
      const auto job = live(id);
      const bool holds = job && !api::has_ended(job->state) && job->extras.unique_key == key;
      not_ended += holds ? 1 : 0;
    }
    EXPECT_LE(not_ended, 1) << key;
  }
}

// Each end leaves one, in the commit that ends the job. Nobody delivers here, so that all stay.
void BrokerWorld::check_messages() {
  std::map<std::string, int> of_job, of_group;
  const QueueName reserved{kQueue.namespace_name, std::string(kCallbackQueueName)};
  if (const auto number = engine_->queue_number(reserved)) {
    const auto page = store_->list(*number, ListScope::kLive, {}, 1'000'000, 1'000'000,
                                   clock_.now().wall, [](const StoredJob&) { return true; });
    ASSERT_TRUE(page);
    for (const StoredJob& message : page->jobs) {
      const api::Labels& labels = message.extras->labels;
      if (labels.contains("sluice.dev/job")) ++of_job[labels.at("sluice.dev/job")];
      if (labels.contains("sluice.dev/group")) ++of_group[labels.at("sluice.dev/group")];
    }
  }
  for (const auto& [id, job] : known_) {
    if (!job.has_callback) continue;
    const auto record = stored(id);
    if (!record) continue;
    const int messages = of_job[to_string(id)];
    const int ends = api::has_ended(record->state) ? 1 : 0;
    // A redrive under way takes what seems to have died before it was asked for.
    if (redriven_.contains(id) || is_set_back_) {
      EXPECT_GE(messages, ends) << to_string(id);
    } else {
      EXPECT_EQ(messages, ends) << to_string(id);
    }
  }
  for (const auto& [id, group] : groups_) {
    EXPECT_LE(of_group[to_string(id)], group.has_callback ? 1 : 0) << "told twice";
  }
  messages_of_groups_ = std::move(of_group);
}

// A group counts its jobs, and how they ended.
void BrokerWorld::check_groups(bool done) {
  for (const auto& [id, group] : groups_) {
    const auto record = engine_->find_group(kQueue, id);
    EXPECT_TRUE(record || !group.answered) << "lost: " << to_string(id);
    if (!record) continue;
    EXPECT_EQ(record->total, group.jobs.size());
    std::uint32_t succeeded = 0, cancelled = 0;
    for (const JobId job : group.jobs) {
      const auto end = stored(job);
      if (!end) continue;
      succeeded += end->state == api::JobState::kSucceeded ? 1 : 0;
      cancelled += end->state == api::JobState::kCancelled ? 1 : 0;
    }
    if (!record->finished_at) {
      EXPECT_EQ(record->succeeded, succeeded);
      EXPECT_EQ(record->cancelled, cancelled);
    }
    if (!done) continue;
    EXPECT_TRUE(record->finished_at) << "all of its jobs have ended: " << to_string(id);
    EXPECT_EQ(messages_of_groups_[to_string(id)], group.has_callback ? 1 : 0);
  }
}

}  // namespace sluice::broker::testing
