// A RecordSink that remembers, so that a test can look at what is kept and start a second engine
// from it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "broker/engine/engine.h"

namespace sluice::broker::testing {

class RecordBook final : public RecordSink {
 public:
  using Key = std::pair<QueueNumber, JobId>;
  template <typename Record>
  struct Kept {
    Record record;
    JobExtras extras;
    std::string result;
  };

  void put_body(QueueNumber queue, JobId id, std::string_view, std::string_view payload) override {
    EXPECT_FALSE(bodies_ever.contains({queue, id})) << "a body is written once";
    bodies_ever.insert({queue, id});
    bodies[{queue, id}] = payload;
  }
  void drop_body(QueueNumber queue, JobId id) override { EXPECT_EQ(bodies.erase({queue, id}), 1u); }
  void put_job(const JobRecord& r) override { jobs[{r.queue, r.id}] = keep(r); }
  void drop_job(QueueNumber queue, JobId id) override { EXPECT_EQ(jobs.erase({queue, id}), 1u); }
  void put_dead(const JobRecord& r) override { dead[{r.queue, r.id}] = keep(r); }
  void drop_dead(QueueNumber queue, JobId id) override { EXPECT_EQ(dead.erase({queue, id}), 1u); }
  void put_claim(const ClaimRecord& record) override { claims[record.number] = record; }
  void drop_claim(ClaimNumber number) override { EXPECT_EQ(claims.erase(number), 1u); }
  void put_finished(const FinishedRecord& r) override { finished[{r.queue, r.id}] = keep(r); }
  void put_outcome(const FinishedRecord& r) override { outcomes[{r.queue, r.id}] = keep(r); }
  void drop_outcome(QueueNumber queue, JobId id) override {
    EXPECT_EQ(outcomes.erase({queue, id}), 1u);
  }
  void put_key(const KeyRecord& record) override { keys[{record.queue, record.key}] = record; }
  void put_queue(const QueueRecord& record) override { queues[record.number] = record; }
  void drop_queue(QueueNumber queue) override {
    const auto under = [queue](const auto& entry) { return entry.first.first == queue; };
    std::erase_if(jobs, under);
    std::erase_if(dead, under);
    std::erase_if(bodies, under);
    std::erase_if(finished, under);
    std::erase_if(outcomes, under);
    std::erase_if(keys, under);
    std::erase_if(schedules, under);
    std::erase_if(redrives, under);
    std::erase_if(groups, under);
    queues.erase(queue);
  }
  void put_schedule(const ScheduleRecord& record) override {
    schedules[{record.queue, record.uid}] = record;
  }
  void put_redrive(const RedriveRecord& r) override {
    redrives.insert_or_assign({r.queue, r.id}, r);
  }
  void drop_redrive(QueueNumber queue, Uuid id) override {
    EXPECT_EQ(redrives.erase({queue, id}), 1u);
  }
  void put_group(const GroupRecord& r) override { groups.insert_or_assign({r.queue, r.id}, r); }
  void drop_group(QueueNumber queue, Uuid id) override { groups.erase({queue, id}); }

  // What a store would hand over at its next start.
  void load_into(Engine& engine) const {
    RecordVisitor& visitor = engine.loader();
    for (const auto& [key, record] : queues) ASSERT_TRUE(visitor.queue(record));
    for (const auto& [key, record] : schedules) ASSERT_TRUE(visitor.schedule(record));
    for (const auto& [key, record] : redrives) ASSERT_TRUE(visitor.redrive(record));
    for (const auto& [key, record] : groups) ASSERT_TRUE(visitor.group(record));
    for (const auto* family : {&jobs, &dead}) {
      for (const auto& [key, kept] : *family) {
        ASSERT_TRUE(visitor.job(kept.record, std::make_unique<JobExtras>(kept.extras)));
      }
    }
    for (const auto& [key, kept] : outcomes) {
      ASSERT_TRUE(visitor.outcome(kept.record, std::make_unique<JobExtras>(kept.extras)));
    }
    for (const auto& [key, record] : claims) ASSERT_TRUE(visitor.claim(record));
  }

  std::map<Key, std::string> bodies;
  std::set<Key> bodies_ever;
  std::map<Key, Kept<JobRecord>> jobs, dead;
  std::map<ClaimNumber, ClaimRecord> claims;
  std::map<Key, Kept<FinishedRecord>> finished, outcomes;
  std::map<std::pair<QueueNumber, Hash128>, KeyRecord> keys;
  std::map<QueueNumber, QueueRecord> queues;
  std::map<std::pair<QueueNumber, std::string>, ScheduleRecord> schedules;
  std::map<Key, RedriveRecord> redrives;
  std::map<Key, GroupRecord> groups;

 private:
  static Kept<JobRecord> keep(const JobRecord& record) {
    Kept<JobRecord> kept{record, record.extras ? *record.extras : JobExtras{}, {}};
    kept.record.extras = nullptr;
    return kept;
  }
  static Kept<FinishedRecord> keep(const FinishedRecord& record) {
    Kept<FinishedRecord> kept{record, record.extras ? *record.extras : JobExtras{},
                              std::string(record.result_json)};
    kept.record.extras = nullptr;
    kept.record.result_json = {};
    return kept;
  }
};

}  // namespace sluice::broker::testing
