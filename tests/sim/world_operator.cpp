// The operator and people with a queue at hand: what they were answered outlives every crash.
#include "tests/sim/broker_world.h"
#include "tests/sim/world_limits.h"

namespace sluice::broker::testing {

using api::JobState;

namespace {

constexpr TimePoint kFirstTick{std::chrono::seconds{1'700'000'000}};
constexpr api::ConcurrencyPolicy kPolicies[] = {
    api::ConcurrencyPolicy::kAllow, api::ConcurrencyPolicy::kForbid,
    api::ConcurrencyPolicy::kReplace, api::ConcurrencyPolicy::kEnqueue};

std::string uid_of(int schedule) {
  return "schedule-" + std::to_string(schedule);
}

}  // namespace

void BrokerWorld::operate() {
  switch (random(7)) {
    case 0:
      return pause_or_resume(chance(60));
    case 1:
      return drain_or_not("w" + std::to_string(random(4)), chance(40));
    case 2:
      return lose_a_worker();
    case 3:
      return purge_something();
    case 4:
      return acknowledge_something();
    default:
      return send_a_tick();
  }
}

void BrokerWorld::pause_or_resume(bool resume) {
  const Paused wanted{!resume && chance(50), !resume && chance(50)};
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    EXPECT_TRUE(engine.pause(kQueue, wanted.enqueue, wanted.dispatch, now, sink));
    paused_.ask(wanted);
    return [this] { paused_.answer(); };
  });
}

void BrokerWorld::drain_or_not(const std::string& worker, bool drain) {
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    EXPECT_TRUE(engine.drain_worker(kQueue, worker, std::string(), drain, now, sink));
    drains_[worker].ask(drain);
    return [=, this] { drains_[worker].answer(); };
  });
}

// Its pod was disrupted or crashed, as the operator tells.
void BrokerWorld::lose_a_worker() {
  const std::string worker = "w" + std::to_string(random(4));
  const GoneCause cause = chance(70) ? GoneCause::kDisruption : GoneCause::kCrash;
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    std::vector<JobView> held = engine.list_running(kQueue, std::nullopt, 1'000, now);
    std::erase_if(held, [&](const JobView& job) { return job.worker != worker; });
    EXPECT_TRUE(engine.worker_gone(kQueue, worker, std::string(), cause, now, sink));
    drains_[worker].ask(false);
    for (const auto& [before, extras, state, name, started, progress] : held) {
      promises_.erase(before.id);
      const auto job = live(before.id);
      EXPECT_EQ(job.has_value(), !before.cancel_requested);
      if (!job) continue;
      EXPECT_EQ(job->record.runs, before.runs + 1);
      EXPECT_EQ(job->record.attempts, before.attempts);
      EXPECT_EQ(job->record.releases, before.releases);
      const std::uint32_t losses = cause == GoneCause::kDisruption ? 0 : 1;
      EXPECT_EQ(job->record.lease_losses, before.lease_losses + losses);
      if (losses == 0) {
        EXPECT_EQ(job->state, JobState::kReady);
        EXPECT_EQ(job->record.order_key, before.order_key) << "lost its place";
      }
    }
    return [=, this] {
      drains_[worker].answer();
      for (const JobView& job : held) known_[job.record.id].runs_ended = job.record.runs + 1;
    };
  });
}

// Some dead letters, by id.
void BrokerWorld::purge_something() {
  submit([this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    std::vector<JobId> dead;
    for (const JobId id : made_) {
      const auto job = live(id);
      if (job && job->state == JobState::kDead && chance(50)) dead.push_back(id);
    }
    DeadFilter filter;
    filter.ids = dead;
    const auto purged = engine.purge_dead(kQueue, filter, now, sink);
    EXPECT_TRUE(purged && *purged == dead.size());
    purges_asked_.insert(dead.begin(), dead.end());
    return [=, this] { purged_.insert(dead.begin(), dead.end()); };
  });
}

// The next tick of a schedule, or one that another leader has sent.
void BrokerWorld::send_a_tick() {
  const int schedule = static_cast<int>(random(std::size(kPolicies)));
  int& sent = ticks_sent_[schedule];
  const int tick = sent > 0 && chance(30) ? 1 + static_cast<int>(random(sent)) : ++sent;
  NewJob job;
  job.payload = kPayload;
  job.schedule =
      ScheduleTick{uid_of(schedule), kFirstTick + std::chrono::minutes{tick}, kPolicies[schedule]};
  dress(job);
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const Result<Enqueued> done = engine.enqueue(kQueue, NewJob(job), {}, now, sink);
    const bool is_new = done && !done->repeated && !done->skipped;
    if (is_new || (!done && done.error().code == ErrorCode::kQueueFull)) after_enqueue(job, done);
    if (is_new) {
      made_.insert(done->id);
      made_by_tick_[{schedule, tick}].insert(done->id);
    }
    return [=, this] {
      if (!done) return;
      int& answered = ticks_answered_[schedule];
      answered = std::max(answered, tick);
      if (is_new) known_.try_emplace(done->id);
    };
  });
}

void BrokerWorld::acknowledge_something() {
  submit([this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    std::vector<JobId> ended;
    for (const auto& [id, job] : known_) {
      if (!job.has_source || chance(70)) continue;
      const auto view = live(id);
      if (!view || view->state == JobState::kDead) ended.push_back(id);
    }
    engine.acknowledge(kQueue, ended, now, sink);
    acknowledging_.insert(ended.begin(), ended.end());
    return [=, this] { acknowledged_.insert(ended.begin(), ended.end()); };
  });
}

void BrokerWorld::check_settings() {
  const api::Pause pause = engine_->queue(kQueue, clock_.now())->pause_override;
  paused_.crash();
  EXPECT_TRUE(paused_.see({pause.enqueue, pause.dispatch})) << "a pause came or went";
  for (auto& [worker, drain] : drains_) drain.crash();
}

// A tick fires once at most, whoever sends it again.
void BrokerWorld::check_ticks() {
  for (const auto& [schedule, tick] : ticks_answered_) {
    const auto view = engine_->schedule(kQueue, uid_of(schedule));
    ASSERT_TRUE(view);
    EXPECT_GE(view->last_tick, kFirstTick + std::chrono::minutes{tick});
  }
  std::map<int, int> active;
  for (const auto& [at, jobs] : made_by_tick_) {
    int there = 0;
    for (const JobId id : jobs) {
      there += stored(id) ? 1 : 0;
      const auto job = live(id);
      if (!job || redriven_.contains(id)) continue;
      if (!api::has_ended(job->state) && job->state != JobState::kBlocked) ++active[at.first];
    }
    EXPECT_LE(there, 1) << uid_of(at.first) << " tick " << at.second;
  }
  EXPECT_LE(active[1], 1) << "Forbid";
  EXPECT_LE(active[3], 1) << "Enqueue";
}

}  // namespace sluice::broker::testing
