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
#include "tests/support/manual_clock.h"
#include "tests/support/memory_disk.h"

namespace sluice::broker::testing {

// What clients know about one job, from replies that reached them.
struct KnownJob {
  std::string key;       // idempotency key, or empty
  bool settled = false;  // a Succeeded settlement was answered ok
  bool has_follow_up = false;
  bool cancel_answered = false;
  bool has_source = false;  // a resource stands behind it
  int runs_delivered = 0;
  std::vector<JobId> parents;
  bool runs_anyway = false;  // whatever becomes of them
};

// What listeners were told, until the next start shows whether it was true.
struct Told {
  std::map<JobId, api::JobState> ends;       // for good: Succeeded or Cancelled
  std::set<JobId> dead;                      // and not redriven since
  std::optional<api::QueueFigures> figures;  // by a signal that nothing has followed
};

// A lease as its worker sees it.
struct HeldLease {
  JobId job;
  ClaimNumber claim{};
  std::string worker;
};

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
  // Redrives, reschedules, dependencies and follow-ups move jobs past whatever order there is.
  virtual bool has_detours() const { return true; }
  virtual void dress(NewJob&) {}
  virtual void after_enqueue(const Result<Enqueued>& done) { EXPECT_TRUE(done); }
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
  // What a producer sends, and may send again. Without either it is sent once.
  struct Wanted {
    std::string key;
    std::optional<JobId> id;
  };
  using Reply = std::function<void()>;

  void boot();
  void submit(std::function<Reply(Engine&, Now, RecordSink&)> step);
  void run(std::function<Reply(Engine&, Now, RecordSink&)> step);  // though time has not passed
  void commit();

  void note_effects();

  // Clients.
  void enqueue_something();
  void enqueue(const Wanted& wanted, const Lookup& lookup, std::optional<BatchNumber> as_of);
  void repeat_an_enqueue();
  std::shared_ptr<const EndedParents> choose_parents(NewJob& job);
  void claim_something();
  void close_a_socket();
  void hand_back(const ClaimGrant& grant);
  void heartbeat();
  void settle_something(bool always_succeed);
  void cancel_something();
  void redrive();
  void reschedule_something();
  Lookup look_up(const Wanted& wanted, std::optional<BatchNumber>& as_of);
  void forget_recent();
  JobId any_known();

  // When the engine has handed out jobs, and when their worker hears of it.
  void on_granted(const ClaimGrant& grant, const std::string& worker);
  void deliver(const ClaimGrant& grant, const std::string& worker, bool is_open);
  void on_claimed(const ClaimGrant& grant, const std::string& worker);

  // Listeners.
  void begin_to_listen();
  void hear(Effects&& effects);
  void hear_end(JobId id, api::JobState state);
  void watch_something();
  void poll_outcomes();

  // Right after a start: whether what was told is true.
  void check_told();
  void check_figures();
  void check_leases();
  void check_parents_of(const Granted& job);
  void check_body_of(const Granted& job);
  void check_known();
  void check_redrives(bool done);
  void check_follow_ups();
  std::optional<StoredJob> stored(JobId id) const;
  HeldLease take_lease(std::size_t index);

  inline static const QueueName kQueue{"default", "sim"};

  std::mt19937_64 rng_;
  sluice::testing::ManualClock clock_;
  sluice::testing::MemoryDisk disk_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<CommitPipeline> pipeline_;
  std::unique_ptr<Listener> listener_;
  bool is_up_ = false;  // not while an engine starts; then time passes and the hooks are called
  BatchNumber durable_ = 0;
  std::multiset<BatchNumber> lookups_;
  std::size_t crashes_ = 0;
  std::size_t names_made_ = 0;
  std::size_t claims_woken_ = 0, handed_back_ = 0, ends_told_ = 0, figures_compared_ = 0;

  std::map<JobId, KnownJob> known_;
  std::map<std::string, JobId> known_keys_;
  std::vector<Wanted> wanted_;
  std::set<Uuid> redrives_;  // answered with 202
  std::size_t redrives_asked_ = 0;
  std::vector<HeldLease> leases_;
  std::set<ClaimNumber> tokens_seen_;
  // What the engine promised whom, as far as it reached a worker before the last crash.
  struct Promise {
    ClaimNumber claim{};
    std::string worker;
    SteadyPoint lease_until;
    SteadyPoint times_out_at;
    TimePoint deadline;
    bool delivered = false;
  };
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
