// Flow control keeps its promises through crashes, power cuts and clocks that jump.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/engine/circuit.h"
#include "tests/sim/broker_world.h"

namespace sluice::broker::testing {
namespace {

constexpr std::uint64_t kSeeds = 15;
constexpr int kSteps = 1'200;

template <typename World>
void run_worlds(std::uint64_t& happened) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    for (int i = 0; i < kSteps; ++i) world.step();
    world.finish();
    happened += world.happened();
    ASSERT_FALSE(::testing::Test::HasFailure());
  }
}

// Refuses from the threshold until below resumePercent of it, and at no other time.
class PressureWorld : public BrokerWorld {
 public:
  explicit PressureWorld(std::uint64_t seed) : BrokerWorld(seed, spec()) {}
  std::uint64_t happened() const { return refusals_; }

 private:
  static constexpr std::int64_t kReject = 20;
  static constexpr std::int64_t kResume = 16;

  static api::QueueSpec spec() {
    api::QueueSpec spec = usual_spec();
    spec.backpressure.emplace();
    spec.backpressure->throttle.backlog = 8;
    spec.backpressure->reject.backlog = kReject;
    return spec;
  }

  void after_enqueue(const NewJob&, const Result<Enqueued>& done) override {
    if (!done) {
      EXPECT_EQ(done.error().code, ErrorCode::kQueueFull);
      EXPECT_TRUE(refuses_);
      ++refusals_;
    } else if (!done->repeated) {
      EXPECT_FALSE(refuses_);
    }
  }
  void before_step() override { observe(); }
  void after_step() override { observe(); }
  void after_boot() override {
    refuses_ = false;  // what was refused before a start is not remembered
    observe();
  }
  void observe() {
    const api::QueueFigures seen = figures();
    if (seen.backlog >= kReject) refuses_ = true;
    if (seen.backlog < kResume) refuses_ = false;
    EXPECT_EQ(seen.pressure == api::Pressure::kReject, refuses_);
  }

  bool refuses_ = false;
  std::uint64_t refusals_ = 0;
};

TEST(FlowSim, BackPressureHoldsItsThresholds) {
  std::uint64_t refusals = 0;
  run_worlds<PressureWorld>(refusals);
  EXPECT_GT(refusals, 0u);
}

// A tenant with a Ready job gets the next start but so many, whatever ends, dies or crashes.
class TenantWorld : public BrokerWorld {
 public:
  explicit TenantWorld(std::uint64_t seed) : BrokerWorld(seed, spec()) {}
  std::uint64_t happened() const { return longest_wait_; }

 private:
  inline static const std::map<std::string, int> kWeights = {{"a", 1}, {"b", 2}, {"c", 4}};
  static constexpr std::uint64_t kOneTurnOfAll = 1 + 1 + 2 + 4;

  static api::QueueSpec spec() {
    api::QueueSpec spec = usual_spec();
    spec.fairness_weights = kWeights;
    return spec;
  }

  void dress(NewJob& job) override {
    const std::uint64_t who = random(10);  // most are of one tenant
    job.tenant = who < 7 ? "c" : who == 7 ? "a" : who == 8 ? "b" : "";
  }
  void after_enqueue(const NewJob& job, const Result<Enqueued>& done) override {
    BrokerWorld::after_enqueue(job, done);
    if (!done->repeated) all_[done->id] = open_[done->id] = job.tenant;
  }
  void before_step() override { count_ready(); }
  void after_step() override { count_ready(); }
  void after_claim(const ClaimGrant& grant) override {
    count_ready();
    // A follow-up is of no tenant.
    for (const Granted& job : grant.jobs) ++ready_[all_[job.id]];
    for (const Granted& job : grant.jobs) {
      const std::string& started = all_[job.id];
      --ready_[started];
      waits_[started] = 0;
      for (const auto& [tenant, jobs] : ready_) {
        if (tenant == started || jobs == 0) continue;
        EXPECT_LT(++waits_[tenant], kOneTurnOfAll) << tenant;
        longest_wait_ = std::max(longest_wait_, waits_[tenant]);
      }
    }
  }
  void after_boot() override {
    waits_.clear();
    open_ = all_;  // what ended and was not on disk has not ended
  }

  // Whoever has nothing to start is not waiting.
  void count_ready() {
    ready_.clear();
    std::erase_if(open_, [this](const auto& entry) {
      const auto job = live(entry.first);
      if (job && job->state == api::JobState::kReady) ++ready_[entry.second];
      return !job;
    });
    std::erase_if(waits_, [this](const auto& entry) { return !ready_.contains(entry.first); });
  }

  std::map<JobId, std::string> all_, open_;
  std::map<std::string, int> ready_;
  std::map<std::string, std::uint64_t> waits_;  // starts of others while it had a Ready job
  std::uint64_t longest_wait_ = 0;
};

TEST(FlowSim, NoTenantWaitsLongerThanOneTurnOfEachOther) {
  std::uint64_t longest_waits = 0;
  run_worlds<TenantWorld>(longest_waits);
  EXPECT_GT(longest_waits, 0u);
}

// In any t seconds no more starts than burst + limit * t / periodSeconds, restarts included.
class RateWorld : public BrokerWorld {
 public:
  explicit RateWorld(std::uint64_t seed) : BrokerWorld(seed, spec()) {}
  std::uint64_t happened() const { return held_back_; }

 private:
  static constexpr api::RateLimit kRate{.limit = 3, .period_seconds = 4, .burst = 5};

  static api::QueueSpec spec() {
    api::QueueSpec spec = usual_spec();
    spec.rate_limit = kRate;
    return spec;
  }
  void after_claim(const ClaimGrant& grant) override {
    const SteadyPoint at = now().steady;
    starts_.insert(starts_.end(), grant.jobs.size(), at);
    for (std::size_t first = 0; first < starts_.size() && !grant.jobs.empty(); ++first) {
      const auto count = static_cast<std::int64_t>(starts_.size() - first);
      const std::int64_t micros = (at - starts_[first]).count();
      EXPECT_LE((count - kRate.burst) * kRate.period_seconds * 1'000'000, kRate.limit * micros);
    }
    if (grant.jobs.empty() && figures().ready > 0) ++held_back_;
  }

  std::vector<SteadyPoint> starts_;
  std::uint64_t held_back_ = 0;
};

TEST(FlowSim, TheRateLimitHoldsOverAnyWindow) {
  std::uint64_t held_back = 0;
  run_worlds<RateWorld>(held_back);
  EXPECT_GT(held_back, 0u);
}

// No more than max run. Jobs of a key start as they were enqueued, one after the other has ended.
class OrderedWorld : public BrokerWorld {
 public:
  explicit OrderedWorld(std::uint64_t seed) : BrokerWorld(seed, spec()) {}
  std::uint64_t happened() const { return followed_; }

 private:
  static constexpr int kMax = 6;
  struct Keyed {
    std::string key;
    std::uint64_t number = 0;  // in enqueue order
    bool keeps_order = true;   // neither delayed, blocked, rescheduled nor redriven
  };

  static api::QueueSpec spec() {
    api::QueueSpec spec = usual_spec();
    spec.concurrency_limit = api::ConcurrencyLimit{.max = kMax, .per_key = 1};
    return spec;
  }

  void dress(NewJob& job) override {
    if (chance(80)) job.key = std::string(1, static_cast<char>('a' + random(5)));
  }
  void after_enqueue(const NewJob& job, const Result<Enqueued>& done) override {
    BrokerWorld::after_enqueue(job, done);
    if (done->repeated) return;
    // A job with a given id that a crash undid may come again without a key.
    all_.erase(done->id);
    open_.erase(done->id);
    if (job.key.empty()) return;
    const bool keeps_order = !job.delay && !job.schedule && job.depends_on.empty();
    all_[done->id] = open_[done->id] = {job.key, ++numbers_, keeps_order};
  }
  // Into the future it gives up its place, and its key.
  void after_reschedule(JobId id) override {
    if (!all_.contains(id)) return;
    all_[id].keeps_order = false;
    const bool holds = live(id)->state != api::JobState::kScheduled;
    if (!holds) std::erase_if(holders_, [id](const auto& entry) { return entry.second == id; });
  }
  void before_step() override { forget_ended(); }
  void after_step() override { EXPECT_LE(figures().running, kMax); }
  void after_claim(const ClaimGrant& grant) override {
    forget_ended();
    for (const Granted& job : grant.jobs) check_start(job.id);
  }
  // Ends that were not on disk are undone, and who holds a key is what the records say.
  void after_boot() override {
    open_ = all_;
    holders_.clear();
    forget_ended();
    for (const auto& [id, job] : open_) {
      const auto view = live(id);
      const bool holds = view->state == api::JobState::kRunning || view->record.backing_off;
      if (holds) holders_[job.key] = id;
    }
  }

  void forget_ended() {
    std::erase_if(open_, [this](const auto& entry) { return !live(entry.first); });
    for (const auto& [id, job] : open_) {
      // A dead one that is redriven stands at the end.
      if (live(id)->state == api::JobState::kDead) all_[id].keeps_order = false;
    }
    std::erase_if(holders_, [this](const auto& entry) {
      const auto job = live(entry.second);
      return !job || job->state == api::JobState::kDead;
    });
  }

  void check_start(JobId id) {
    const auto started = open_.find(id);
    if (started == open_.end()) return;  // without a key
    const std::string& key = started->second.key;
    if (const auto holder = holders_.find(key); holder != holders_.end()) {
      EXPECT_EQ(holder->second, id) << "two jobs of key " << key;
    } else if (followed_by_.contains(key)) {
      ++followed_;
    }
    holders_[key] = id;
    followed_by_.insert(key);
    if (!all_[id].keeps_order) return;
    for (const auto& [other, job] : open_) {
      const bool before = job.key == key && job.number < started->second.number;
      if (!before || !all_[other].keeps_order) continue;
      EXPECT_NE(live(other)->state, api::JobState::kReady) << "key " << key << " out of order";
    }
  }

  std::uint64_t numbers_ = 0;
  std::map<JobId, Keyed> all_, open_;
  std::map<std::string, JobId> holders_;  // claimed and not ended
  std::set<std::string> followed_by_;
  std::uint64_t followed_ = 0;
};

TEST(FlowSim, JobsOfAKeyRunOneAfterTheOtherInOrder) {
  std::uint64_t followed = 0;
  run_worlds<OrderedWorld>(followed);
  EXPECT_GT(followed, 0u);
}

// An open circuit starts nothing; a half-open one no more than three that have not ended otherwise.
class CircuitWorld : public BrokerWorld {
 public:
  explicit CircuitWorld(std::uint64_t seed) : BrokerWorld(seed, spec()) {}
  std::uint64_t happened() const { return closed_again_; }

 private:
  static api::QueueSpec spec() {
    api::QueueSpec spec = usual_spec();
    spec.circuit_breaker = api::CircuitBreaker{
        .failure_percent = 40, .minimum_jobs = 5, .window_seconds = 20, .open_seconds = 5};
    return spec;
  }
  void before_step() override { observe(); }
  void after_step() override { observe(); }
  void after_boot() override { state_ = api::CircuitState::kClosed; }
  void observe() {
    const api::CircuitState before = std::exchange(state_, figures().circuit);
    if (state_ != before) probes_.clear();
    const bool closed = state_ == api::CircuitState::kClosed;
    EXPECT_FALSE(before == api::CircuitState::kOpen && closed) << "closed without a probe";
    if (before == api::CircuitState::kHalfOpen && closed) ++closed_again_;
  }
  void after_claim(const ClaimGrant& grant) override {
    observe();
    if (state_ == api::CircuitState::kOpen) {
      EXPECT_TRUE(grant.jobs.empty());
    }
    if (state_ != api::CircuitState::kHalfOpen) return;
    for (const Granted& job : grant.jobs) probes_.insert(job.id);
    const auto runs = [this](JobId id) {
      const auto job = live(id);
      return job && job->state == api::JobState::kRunning;
    };
    EXPECT_LE(std::count_if(probes_.begin(), probes_.end(), runs), Circuit::kProbes);
  }

  api::CircuitState state_ = api::CircuitState::kClosed;
  std::set<JobId> probes_;  // started in this half-open time
  std::uint64_t closed_again_ = 0;
};

TEST(FlowSim, AnOpenCircuitStartsNothingAndAHalfOpenOneThree) {
  std::uint64_t closed_again = 0;
  run_worlds<CircuitWorld>(closed_again);
  EXPECT_GT(closed_again, 0u);
}

}  // namespace
}  // namespace sluice::broker::testing
