// Who is told without asking: waiting claims, events, watchers, signals, the outcomes feed.
#include "tests/sim/broker_world.h"
#include "tests/sim/world_limits.h"

namespace sluice::broker::testing {

using api::JobState;

// As a broker's clients do once it serves.
void BrokerWorld::begin_to_listen() {
  run([](Engine& engine, Now, RecordSink&) -> Reply {
    engine.want_signals(true, true);
    engine.listen_to_ends(kQueue);
    return [] {};
  });
}

void BrokerWorld::hear(Effects&& effects) {
  for (Effects::WokenClaim& woken : effects.claims) {
    const std::string worker = waiters_[woken.waiter];
    waiters_.erase(woken.waiter);
    const bool is_open = polls_.erase(woken.waiter) > 0;
    ASSERT_TRUE(woken.grant);
    if (!woken.grant->jobs.empty()) ++claims_woken_;
    deliver(*woken.grant, worker, is_open);
  }
  for (const Effects::JobEnd& end : effects.ends) hear_end(end.id, end.state);
  for (const JobId id : effects.ended) {
    if (watching_.erase(id) == 0) continue;
    const auto record = stored(id);  // what the one who waits is shown
    if (!record && purges_asked_.contains(id)) continue;
    ASSERT_TRUE(record);
    const auto now_live = live(id);
    if (now_live && now_live->state != JobState::kDead) continue;  // redriven already
    EXPECT_TRUE(api::has_ended(record->state));
    hear_end(id, record->state);
  }
  outcomes_changed_ = outcomes_changed_ || effects.outcomes_changed;
}

void BrokerWorld::hear_end(JobId id, JobState state) {
  ++ends_told_;
  if (state != JobState::kDead) {
    told_.ends[id] = state;
  } else if (const auto job = live(id); job && job->state == JobState::kDead) {
    told_.dead.insert(id);
  }
}

void BrokerWorld::watch_something() {
  if (known_.empty()) return;
  const JobId id = any_known();
  submit([=, this](Engine& engine, Now now, RecordSink&) -> Reply {
    const auto job = engine.find(kQueue, id, now);
    if (job && !api::has_ended(job->state) && watching_.insert(id).second) engine.watch(id);
    return [] {};
  });
}

// The long poll: asks again when it was woken.
void BrokerWorld::poll_outcomes() {
  if (!std::exchange(outcomes_changed_, false)) return;
  submit([this](Engine& engine, Now now, RecordSink&) -> Reply {
    const OutcomePage page = engine.outcomes(outcomes_cursor_, 1'000, now);
    return [=, this] {
      outcomes_cursor_ = page.cursor;
      for (const OutcomeEntry& entry : page.entries) {
        known_[entry.id].has_source = true;
        if (api::has_ended(entry.state)) hear_end(entry.id, entry.state);
      }
    };
  });
}

void BrokerWorld::check_told() {
  for (const auto& [id, state] : told_.ends) {
    const auto record = stored(id);
    ASSERT_TRUE(record) << to_string(id);
    EXPECT_EQ(record->state, state) << "told of an end that was not: " << to_string(id);
  }
  for (const JobId id : std::exchange(told_.dead, {})) {
    const auto record = stored(id);
    EXPECT_TRUE(record && record->state == JobState::kDead)
        << "told of a death that was not: " << to_string(id);
  }
  std::set<JobId> feed;
  for (const auto& entry : engine_->outcomes("", 1'000'000, clock_.now()).entries) {
    feed.insert(entry.id);
  }
  for (const auto& [id, job] : known_) {
    if (!job.has_source || purges_asked_.contains(id)) continue;
    if (!acknowledging_.contains(id)) {
      EXPECT_TRUE(feed.contains(id)) << to_string(id);
    }
    // A parent that ended is told again after a start, while it has children.
    if (acknowledged_.contains(id) && !redriven_.contains(id) && !parents_.contains(id)) {
      EXPECT_FALSE(feed.contains(id)) << "acknowledged: " << to_string(id);
    }
  }
}

// A power cut undoes claims, so that what runs may be Ready again; no more than that.
void BrokerWorld::check_figures() {
  if (!told_.figures) return;
  ++figures_compared_;
  const auto count = [](const api::QueueFigures& f) {
    return f.ready + f.scheduled + f.running + f.blocked + f.dead;
  };
  EXPECT_EQ(count(figures()), count(*told_.figures)) << "a signal showed what was not";
  if (told_.figures->blocked == 0) {
    EXPECT_EQ(figures().dead, told_.figures->dead);
    EXPECT_EQ(figures().bytes, told_.figures->bytes);
  }
  told_.figures.reset();
}

}  // namespace sluice::broker::testing
