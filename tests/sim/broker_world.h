// The real engine, commit pipeline and store logic on a disk that loses power and a clock that
// jumps, driven by one seed. Everything a client was told is held against what is true later.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/commit/commit_pipeline.h"
#include "broker/engine/engine.h"
#include "broker/storage/store.h"
#include "tests/sim/known_facts.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_disk.h"

namespace sluice::broker::testing {

class BrokerWorld {
 public:
  explicit BrokerWorld(std::uint64_t seed) : BrokerWorld(seed, usual_spec()) {}
  BrokerWorld(std::uint64_t seed, const api::QueueSpec& spec);
  virtual ~BrokerWorld();
  static api::QueueSpec usual_spec();

  // One random thing a client, the clock, the disk or the broker does.
  void step();
  // The process ends here: what was not written is gone; with `power`, what was not synced as well.
  void crash(bool power);
  // The nth write from now fails, which ends the process.
  void fail_write(std::size_t nth) { disk_.fail_write(nth); }
  // No more trouble: work until everything has ended, then check every promise.
  void finish();

  std::size_t acknowledged() const { return known_.size(); }
  std::size_t crashes() const { return crashes_; }
  std::size_t claims_woken() const { return claims_woken_; }
  std::size_t handed_back() const { return handed_back_; }
  std::size_t ends_told() const { return ends_told_; }
  std::size_t figures_compared() const { return figures_compared_; }

 protected:
  // For worlds with rules of their own; what they look at is the engine at that moment.
  virtual void dress(NewJob&) {}
  virtual void after_enqueue(const NewJob&, const Result<Enqueued>& done) { EXPECT_TRUE(done); }
  virtual void after_reschedule(JobId) {}
  // Also for claims that waited, all of one step together.
  virtual void after_claim(const ClaimGrant&) {}
  virtual void before_step() {}
  virtual void after_step() {}
  virtual void after_boot() {}

  std::uint64_t random(std::uint64_t below) { return rng_() % below; }
  bool chance(int percent) { return random(100) < static_cast<std::uint64_t>(percent); }
  Now now() const { return clock_.now(); }
  api::QueueFigures figures() { return engine_->queue(kQueue, now())->figures; }
  std::optional<JobView> live(JobId id) const { return engine_->find(kQueue, id, clock_.now()); }

 private:
  class Listener;
  using Reply = std::function<void()>;
  struct Paused {
    bool enqueue = false, dispatch = false;
    bool operator==(const Paused&) const = default;
  };

  void boot();
  void submit(std::function<Reply(Engine&, Now, RecordSink&)> step);
  void run(std::function<Reply(Engine&, Now, RecordSink&)> step);  // though time has not passed
  void commit();
  void note_effects();
  void forget_recent();
  std::optional<StoredJob> stored(JobId id) const;

  // Producers.
  void enqueue_something();
  void repeat_an_enqueue();
  Wanted new_wanted();
  NewJob draft_job(const Wanted& wanted);
  EnqueueRequest prepare(const std::vector<Wanted>& wanted);
  Lookup look_up(const Wanted& wanted);
  std::shared_ptr<const EndedParents> choose_parents(NewJob& job);
  void send(const EnqueueRequest& request);
  std::vector<Result<Enqueued>> enqueue_all(const EnqueueRequest& request,
                                            std::optional<Uuid> group, Engine& engine, Now now,
                                            RecordSink& sink);
  void on_enqueued(const EnqueueRequest::Draft& draft, const Result<Enqueued>& done);

  // Workers. A grant is told twice: when the engine makes it, and when its worker hears of it.
  void claim_something();
  void close_a_socket();
  void hand_back(const ClaimGrant& grant);
  void heartbeat();
  void settle_something(bool always_succeed);
  HeldLease take_lease(std::size_t index);
  void on_granted(const ClaimGrant& grant, const std::string& worker);
  void deliver(const ClaimGrant& grant, const std::string& worker, bool is_open);
  void on_claimed(const ClaimGrant& grant, const std::string& worker);

  // People and the operator.
  JobId any_known();
  void cancel_something();
  void redrive();
  void reschedule_something();
  void operate();
  void pause_or_resume(bool resume);
  void drain_or_not(const std::string& worker, bool drain);
  void lose_a_worker();
  void purge_something();
  void send_a_tick();
  void acknowledge_something();
  Paused paused() { return {figures().paused_enqueue, figures().paused_dispatch}; }

  // Listeners.
  void begin_to_listen();
  void hear(Effects&& effects);
  void hear_end(JobId id, api::JobState state);
  void watch_something();
  void poll_outcomes();

  // Right after a start, or at the end: whether what was told is true.
  void check_told();
  void check_figures();
  void check_leases();
  void check_parents_of(const Granted& job);
  void check_body_of(const Granted& job);
  void check_known();
  void check_batches();
  void check_keys();
  void check_messages();
  void check_groups(bool done);
  void check_settings();
  void check_ticks();
  void check_redrives(bool done);
  void check_follow_ups();

  inline static const QueueName kQueue{"default", "sim"};

  std::mt19937_64 rng_;
  const bool is_set_back_;  // the wall clock, now and then
  sluice::testing::ManualClock clock_;
  sluice::testing::MemoryDisk disk_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<CommitPipeline> pipeline_;
  std::unique_ptr<Listener> listener_;
  bool is_up_ = false;    // not while an engine starts; then time passes and the hooks are called
  bool is_busy_ = false;  // not before the first step, nor at the end
  BatchNumber durable_ = 0;
  std::multiset<BatchNumber> lookups_;
  std::size_t crashes_ = 0;
  std::size_t names_made_ = 0;
  std::size_t claims_woken_ = 0, handed_back_ = 0, ends_told_ = 0, figures_compared_ = 0;

  // Of everything the engine took, answered or not.
  std::set<JobId> made_, redriven_, parents_;
  std::map<std::string, std::set<JobId>> made_by_key_, made_by_unique_key_;
  std::map<std::size_t, SentBatch> batches_;  // since the last start
  Setting<Paused> paused_;
  std::map<std::string, Setting<bool>> drains_;
  std::set<JobId> purges_asked_, purged_;         // of the second the answer came
  std::set<JobId> acknowledging_, acknowledged_;  // the same
  std::map<int, int> ticks_sent_, ticks_answered_;
  std::map<std::pair<int, int>, std::set<JobId>> made_by_tick_;  // schedule and tick
  std::map<Uuid, SentGroup> groups_;
  std::size_t batches_made_ = 0;
  std::map<std::string, int> messages_of_groups_;  // by group, as last read

  std::map<JobId, KnownJob> known_;
  std::map<std::string, JobId> known_keys_;
  std::vector<Wanted> wanted_;
  std::set<Uuid> redrives_;  // answered with 202
  std::size_t redrives_asked_ = 0;
  std::vector<HeldLease> leases_;
  std::set<ClaimNumber> tokens_seen_;
  // What the engine promised whom, as far as it reached a worker before the last crash.
  std::map<JobId, Promise> promises_;

  std::map<WaiterId, std::string> polls_;  // claims that wait at an open socket, with their workers
  std::map<WaiterId, std::string> waiters_;  // all that the engine may still answer
  WaiterId last_waiter_ = 0;
  std::vector<ClaimGrant> undelivered_;
  std::set<JobId> watching_;
  bool outcomes_changed_ = false;
  std::string outcomes_cursor_;
  Told told_;
  std::size_t effects_seen_ = 0;                // of the open batch
  std::optional<api::QueueFigures> signalled_;  // by its last step
};

}  // namespace sluice::broker::testing
