// Steps, commits, crashes: the frame of the world.
#include "tests/sim/broker_world.h"
#include "tests/sim/world_limits.h"

namespace sluice::broker::testing {

using namespace std::chrono_literals;
using api::JobState;

class BrokerWorld::Listener final : public EffectsListener {
 public:
  explicit Listener(BrokerWorld& world) : world_(world) {}
  void on_effects(Effects&& effects) override { world_.hear(std::move(effects)); }

 private:
  BrokerWorld& world_;
};

api::QueueSpec BrokerWorld::usual_spec() {
  api::QueueSpec spec;
  spec.retry.max_attempts = kMaxAttempts;
  spec.retry.max_lease_losses = kMaxLeaseLosses;
  spec.retry.backoff = {.initial_seconds = 1, .multiplier = 2, .max_seconds = 20};
  spec.lease_seconds = 10;
  spec.timeout_seconds = 60;
  spec.result_ttl_seconds = 7 * 86'400;  // so that every end can be looked up
  spec.idempotency_seconds = 7 * 86'400;
  return spec;
}

BrokerWorld::BrokerWorld(std::uint64_t seed, const api::QueueSpec& spec)
    : rng_(seed), is_set_back_(seed % 2 == 0) {
  boot();
  submit([&spec](Engine& engine, Now now, RecordSink& sink) -> Reply {
    EXPECT_TRUE(engine.configure({kQueue, spec, {}, {}}, now, sink));
    return [] {};
  });
  commit();
  is_up_ = is_busy_ = true;
}

BrokerWorld::~BrokerWorld() = default;

void BrokerWorld::boot() {
  const bool was_up = std::exchange(is_up_, false);
  auto store = Store::open(disk_.open());
  if (!store) {  // the write that was to fail is the boot number's
    disk_.heal();
    store = Store::open(disk_.open());
  }
  ASSERT_TRUE(store) << store.error().message;
  store_ = std::move(*store);
  engine_ = std::make_unique<Engine>(store_->boot(), rng_());
  ASSERT_TRUE(store_->load(engine_->loader()));
  listener_ = std::make_unique<Listener>(*this);
  pipeline_ = std::make_unique<CommitPipeline>(*engine_, *store_);
  run([](Engine& engine, Now now, RecordSink& sink) -> Reply {
    EXPECT_TRUE(engine.finish_load(now, sink));
    return [] {};
  });
  durable_ = 0;
  lookups_.clear();
  begin_to_listen();
  is_up_ = was_up;
  if (is_up_) after_boot();
}

void BrokerWorld::submit(std::function<Reply(Engine&, Now, RecordSink&)> step) {
  bool more = true;
  while (more) {
    more = pipeline_->advance(clock_.now());
    note_effects();
  }
  run(std::move(step));
}

void BrokerWorld::run(std::function<Reply(Engine&, Now, RecordSink&)> step) {
  class Step final : public Command {
   public:
    explicit Step(std::function<Reply(Engine&, Now, RecordSink&)> r) : run_(std::move(r)) {}
    void run(Engine& engine, Now now, RecordSink& sink) override {
      reply_ = run_(engine, now, sink);
    }
    void done(std::unique_ptr<Command>) override { reply_(); }

   private:
    std::function<Reply(Engine&, Now, RecordSink&)> run_;
    Reply reply_;
  };
  if (is_up_) before_step();
  pipeline_->run(std::make_unique<Step>(std::move(step)), clock_.now());
  note_effects();
  if (is_up_) after_step();
}

// What the step did besides its reply, as the engine sees it; nobody is told yet.
void BrokerWorld::note_effects() {
  const std::vector<Effects>& effects = pipeline_->open_effects();
  signalled_.reset();
  ClaimGrant started;  // by all waiting claims together
  for (; effects_seen_ < effects.size(); ++effects_seen_) {
    for (const Effects::WokenClaim& woken : effects[effects_seen_].claims) {
      if (!woken.grant) continue;
      on_granted(*woken.grant, waiters_[woken.waiter]);
      const std::vector<Granted>& jobs = woken.grant->jobs;
      started.jobs.insert(started.jobs.end(), jobs.begin(), jobs.end());
    }
    for (const api::QueueSignal& signal : effects[effects_seen_].signals) {
      if (signal.queue == kQueue.name) signalled_ = signal.figures;
    }
  }
  if (!started.jobs.empty()) after_claim(started);
  std::erase_if(told_.dead, [this](JobId id) {
    const auto job = live(id);
    return !job || job->state != JobState::kDead;
  });
}

void BrokerWorld::commit() {
  if (!pipeline_->has_work()) return;
  CommitPipeline::Batch batch = pipeline_->take();
  effects_seen_ = 0;
  told_.figures.reset();
  const auto signalled = std::exchange(signalled_, std::nullopt);
  // Clients do not wait while it is written.
  if (is_busy_ && chance(20)) claim_something();
  if (is_busy_ && chance(20)) enqueue_something();
  if (!CommitPipeline::commit(*store_, batch)) {
    disk_.heal();
    crash(chance(50));
    return;
  }
  durable_ = batch.number;
  // The process may die between the write and the replies.
  if (chance(2)) return crash(chance(50));
  CommitPipeline::release(std::move(batch), *listener_);
  told_.figures = signalled;
  forget_recent();
  // Power is cut just when somebody was told something.
  if (is_busy_ && chance(told_.figures ? 5 : 1)) return crash(true);
  for (const ClaimGrant& grant : std::exchange(undelivered_, {})) hand_back(grant);
}

void BrokerWorld::forget_recent() {
  engine_->forget_recent(lookups_.empty() ? durable_ : *lookups_.begin());
}

void BrokerWorld::crash(bool power) {
  ++crashes_;
  pipeline_.reset();
  engine_.reset();
  store_.reset();
  if (power) {
    const std::size_t written = disk_.batches(), synced = disk_.synced_batches();
    disk_.keep(synced + random(written - synced + 1));
    promises_.clear();  // a power cut may cost one more delivery
  }
  std::erase_if(promises_, [now = clock_.now()](const auto& entry) {
    const Promise& promise = entry.second;
    return !promise.delivered || promise.lease_until <= now.steady ||
           promise.times_out_at <= now.steady;
  });
  clock_.advance(Duration{std::chrono::milliseconds{random(3'000)}});
  for (auto& [job, promise] : promises_) {
    // Leases on record get their full time again, deadlines do not move.
    promise.lease_until = clock_.now().steady + kLease;
    const Duration left = std::max(promise.deadline - clock_.now().wall, Duration::zero());
    promise.times_out_at = clock_.now().steady + left + kTimeoutGrace;
  }
  polls_.clear();
  waiters_.clear();
  undelivered_.clear();
  watching_.clear();
  boot();
  check_settings();
  if (!power) check_leases();
  check_figures();
  check_told();
  check_batches();
  check_known();
  check_keys();
  check_ticks();
  check_messages();
  check_groups(false);
  check_redrives(false);
}

void BrokerWorld::step() {
  switch (random(19)) {
    case 0:
    case 1:
    case 2:
      return enqueue_something();
    case 3:
      return repeat_an_enqueue();
    case 4:
    case 5:
    case 6:
      return claim_something();
    case 7:
      return heartbeat();
    case 8:
    case 9:
      return settle_something(false);
    case 10:
      return chance(20) ? cancel_something() : commit();
    case 11:
      if (chance(10)) return redrive();
      return chance(10) ? reschedule_something() : commit();
    case 12:
      clock_.advance(std::chrono::milliseconds{random(4'000)});
      if (chance(2)) clock_.jump_wall(std::chrono::minutes{random(20)});
      if (is_set_back_ && chance(2)) clock_.jump_wall(-std::chrono::minutes{random(5)});
      return;
    case 13:
      return chance(4) ? crash(chance(50)) : commit();
    case 14:
      return chance(30) ? close_a_socket() : poll_outcomes();
    case 15:
      return chance(30) ? watch_something() : commit();
    case 16:
      return operate();
    default:
      return commit();
  }
}

void BrokerWorld::finish() {
  disk_.heal();
  is_busy_ = false;
  for (int round = 0; round < 100'000; ++round) {
    const api::QueueFigures figures = engine_->queue(kQueue, clock_.now())->figures;
    const bool redriving = engine_->until_next(clock_.now()).value_or(1h) < 2s;
    if (figures.ready + figures.scheduled + figures.running + figures.blocked == 0 && !redriving &&
        !pipeline_->has_work()) {
      break;
    }
    if (round % 100 == 0) {  // again, should a crash undo it
      pause_or_resume(true);
      for (const auto& [worker, drain] : drains_) drain_or_not(worker, false);
    }
    claim_something();
    commit();
    while (!leases_.empty()) settle_something(true);
    commit();
    clock_.advance(1s);
  }
  check_known();
  check_keys();
  check_ticks();
  check_messages();
  check_groups(true);
  check_redrives(true);
  check_follow_ups();
  for (const auto& [id, job] : known_) {
    const auto end = stored(id);
    if (!end && purges_asked_.contains(id)) continue;
    ASSERT_TRUE(end);
    EXPECT_TRUE(api::has_ended(end->state)) << to_string(id);
    if (end->state == JobState::kDead) {
      EXPECT_TRUE(
          end->job.attempts == kMaxAttempts || end->job.lease_losses == kMaxLeaseLosses + 1 ||
          end->extras->error->reason == "ParentFailed" || end->extras->error->reason == "Expired");
    }
  }
}

}  // namespace sluice::broker::testing
