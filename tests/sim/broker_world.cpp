#include "tests/sim/broker_world.h"

namespace sluice::broker::testing {

using namespace std::chrono_literals;
using api::JobState;
using api::Outcome;

namespace {

constexpr int kMaxAttempts = 4;
constexpr int kMaxLeaseLosses = 3;
constexpr auto kLease = 10s;
constexpr auto kTimeoutGrace = 5s;
constexpr const char* kAfter = "after";  // the label of a follow-up: whose it is

Hash128 hash_of(const std::string& text) {
  Hash128 hash{};
  std::copy_n(text.begin(), std::min(text.size(), hash.size()), hash.begin());
  return hash;
}

}  // namespace

class BrokerWorld::Listener final : public EffectsListener {
 public:
  void on_effects(Effects&&) override {}
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

BrokerWorld::BrokerWorld(std::uint64_t seed, const api::QueueSpec& spec) : rng_(seed) {
  boot();
  submit([&spec](Engine& engine, Now now, RecordSink& sink) -> Reply {
    EXPECT_TRUE(engine.configure({kQueue, spec, {}, {}}, now, sink));
    return [] {};
  });
  commit();
  is_up_ = true;
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
  listener_ = std::make_unique<Listener>();
  pipeline_ = std::make_unique<CommitPipeline>(*engine_, *store_);
  run([](Engine& engine, Now now, RecordSink& sink) -> Reply {
    EXPECT_TRUE(engine.finish_load(now, sink));
    return [] {};
  });
  durable_ = 0;
  lookups_.clear();
  is_up_ = was_up;
  if (is_up_) after_boot();
}

void BrokerWorld::submit(std::function<Reply(Engine&, Now, RecordSink&)> step) {
  while (pipeline_->advance(clock_.now())) {
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
  if (is_up_) after_step();
}

void BrokerWorld::commit() {
  if (!pipeline_->has_work()) return;
  CommitPipeline::Batch batch = pipeline_->take();
  if (!CommitPipeline::commit(*store_, batch)) {
    disk_.heal();
    crash(chance(50));
    return;
  }
  durable_ = batch.number;
  // The process may die between the write and the replies.
  if (chance(2)) return crash(chance(50));
  CommitPipeline::release(std::move(batch), *listener_);
  forget_recent();
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
  boot();
  check_known();
  check_redrives(false);
}

void BrokerWorld::step() {
  switch (random(16)) {
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
      if (has_detours() && chance(10)) return redrive();
      return has_detours() && chance(10) ? reschedule_something() : commit();
    case 12:
      clock_.advance(std::chrono::milliseconds{random(4'000)});
      if (chance(2)) clock_.jump_wall(std::chrono::minutes{random(20)});
      return;
    case 13:
      return chance(4) ? crash(chance(50)) : commit();
    default:
      return commit();
  }
}

void BrokerWorld::enqueue_something() {
  if (!chance(50)) return enqueue("", {}, std::nullopt);
  const std::string key = "key-" + std::to_string(keys_made_++);
  keys_tried_.push_back(key);
  std::optional<BatchNumber> as_of;
  const Lookup lookup = look_up(key, as_of);
  enqueue(key, lookup, as_of);
}

// A producer whose reply was lost, or came: either way it is the same job.
void BrokerWorld::repeat_an_enqueue() {
  if (keys_tried_.empty()) return;
  const std::string key = keys_tried_[random(keys_tried_.size())];
  std::optional<BatchNumber> as_of;
  const Lookup lookup = look_up(key, as_of);
  const std::size_t crashes = crashes_;
  if (chance(50)) step();           // something happens between the lookup and the command
  if (crashes_ != crashes) return;  // the request died with the process
  enqueue(key, lookup, as_of);
}

Lookup BrokerWorld::look_up(const std::string& key, std::optional<BatchNumber>& as_of) {
  as_of = durable_;
  lookups_.insert(durable_);
  Lookup lookup;
  lookup.as_of = durable_;
  const Result<QueueNumber> number = engine_->queue_number(kQueue);
  EXPECT_TRUE(number);
  const auto found = store_->key(*number, hash_of(key));
  EXPECT_TRUE(found);
  if (*found) {
    Lookup::Known known{(*found)->id, (*found)->content, JobState::kReady};
    if (const auto job = stored((*found)->id)) known.state = job->state;
    lookup.by_key = known;
  }
  return lookup;
}

void BrokerWorld::enqueue(const std::string& key, const Lookup& lookup,
                          std::optional<BatchNumber> as_of) {
  NewJob job;
  job.payload = "{}";
  job.priority = static_cast<int>(random(10));
  if (key.empty() && chance(20)) job.delay = std::chrono::seconds{random(20)};
  if (!key.empty()) job.idempotency = IdempotencyKey{hash_of(key), {1}};
  dress(job);
  Lookup with_parents = lookup;
  if (has_detours() && key.empty() && chance(30)) with_parents.parents = choose_parents(job);
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const Result<Enqueued> done = engine.enqueue(kQueue, NewJob(job), with_parents, now, sink);
    after_enqueue(done);
    return [this, key, done, job] {
      if (!done || done->stale) return;
      KnownJob& known = known_[done->id];
      known.key = key;
      known.parents = job.depends_on;
      known.runs_anyway = job.on_parent_failure == api::ParentFailure::kRun;
      if (key.empty()) return;
      const auto [at, is_new] = known_keys_.emplace(key, done->id);
      EXPECT_EQ(at->second, done->id) << "one key, two jobs: " << key;
    };
  });
  if (as_of) lookups_.erase(lookups_.find(*as_of));
}

// Some jobs that were answered for; what the engine does not know of them is read from the store.
std::shared_ptr<const EndedParents> BrokerWorld::choose_parents(NewJob& job) {
  std::set<JobId> chosen;
  const std::size_t wanted = 1 + random(3);
  for (std::size_t i = 0; i < wanted && !known_.empty(); ++i) {
    chosen.insert(
        std::next(known_.begin(), static_cast<std::ptrdiff_t>(random(known_.size())))->first);
  }
  job.depends_on.assign(chosen.begin(), chosen.end());
  if (chance(50)) job.on_parent_failure = api::ParentFailure::kRun;
  auto parents = std::make_shared<EndedParents>();
  for (const JobId id : engine_->unknown_parents(kQueue, job.depends_on)) {
    auto found = stored(id);
    if (!found || !api::has_ended(found->state)) continue;  // not durable yet: it is stale
    auto parent = std::make_shared<EndedParent>();
    parent->queue = kQueue;
    parent->extras = std::move(found->extras);
    parent->result_json = std::move(found->result_json);
    parent->record.queue = found->job.queue;
    parent->record.id = id;
    parent->record.state = found->state;
    parent->record.created_at = found->job.created_at;
    parent->record.due_at = found->job.due_at;
    parent->record.finished_at = found->finished_at.value_or(found->job.due_at);
    parent->record.result_json = parent->result_json;
    parent->record.extras = parent->extras.get();
    parents->emplace(id, std::move(parent));
  }
  return parents;
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

void BrokerWorld::claim_something() {
  const std::string worker = "w" + std::to_string(random(4));
  const int max = 1 + static_cast<int>(random(4));
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const Result<ClaimGrant> grant = engine.claim({kQueue, worker, "", max}, now, sink);
    EXPECT_TRUE(grant);
    after_claim(*grant);
    // Whoever held one of these jobs must have lost it by now.
    for (const Granted& job : grant->jobs) {
      const auto held = promises_.find(job.id);
      EXPECT_TRUE(held == promises_.end() || held->second.lease_until <= now.steady ||
                  held->second.times_out_at <= now.steady)
          << "two live leases of " << to_string(job.id);
      const Duration timeout = job.deadline - now.wall;
      promises_[job.id] = {now.steady + kLease, now.steady + timeout + kTimeoutGrace, job.deadline};
    }
    return [=, this] { on_claimed(*grant, worker); };
  });
}

void BrokerWorld::on_claimed(const ClaimGrant& grant, const std::string& worker) {
  if (grant.jobs.empty()) return;
  EXPECT_TRUE(tokens_seen_.insert(grant.claim).second) << "a lease token came twice";
  for (const Granted& job : grant.jobs) {
    EXPECT_FALSE(known_[job.id].settled) << "a settled job was handed out again";
    EXPECT_LE(job.attempt, kMaxAttempts);
    check_parents_of(job);
    ++known_[job.id].runs_delivered;
    if (const auto promise = promises_.find(job.id); promise != promises_.end()) {
      promise->second.delivered = true;
    }
    if (chance(15)) continue;  // this worker vanishes with the job
    leases_.push_back({job.id, grant.claim, worker});
  }
}

HeldLease BrokerWorld::take_lease(std::size_t index) {
  const HeldLease lease = leases_[index];
  leases_.erase(leases_.begin() + static_cast<std::ptrdiff_t>(index));
  return lease;
}

void BrokerWorld::heartbeat() {
  if (leases_.empty()) return;
  const HeldLease lease = leases_[random(leases_.size())];
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const ExtendRequest request{kQueue, lease.worker, "", {{lease.job, lease.claim, {}}}, false, 1};
    const Result<ExtendReply> reply = engine.extend(request, now, sink);
    EXPECT_TRUE(reply);
    if (reply->statuses.at(0) != api::LeaseStatus::kLost) {
      promises_[lease.job].lease_until = now.steady + kLease;
    }
    return [] {};
  });
}

void BrokerWorld::settle_something(bool always_succeed) {
  if (leases_.empty()) return;
  const HeldLease lease = take_lease(random(leases_.size()));
  SettleRequest request{kQueue, lease.job, lease.claim, Outcome::kSucceeded, "1", {}, {}};
  if (!always_succeed && chance(50)) {
    request.outcome = chance(80) ? Outcome::kFailed : Outcome::kReleased;
    request.result_json.clear();
    request.error = api::RunError{"ExitCode", "it broke", 1, {}, false};
  } else if (has_detours() && chance(20)) {
    FollowUp& follow_up = request.follow_ups.emplace_back(FollowUp{kQueue, {}});
    follow_up.job.payload = "{}";
    follow_up.job.labels[kAfter] = to_string(lease.job);
  }
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const Status status = engine.settle(SettleRequest(request), now, sink);
    if (status) promises_.erase(lease.job);
    return [=, this] {
      if (!status || request.outcome != Outcome::kSucceeded) return;
      known_[lease.job].settled = true;
      known_[lease.job].has_follow_up = !request.follow_ups.empty();
    };
  });
}

void BrokerWorld::cancel_something() {
  if (known_.empty()) return;
  const JobId id =
      std::next(known_.begin(), static_cast<std::ptrdiff_t>(random(known_.size())))->first;
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const Result<JobView> view = engine.cancel(kQueue, id, now, sink);
    const bool answered = view && view->state != JobState::kDead;
    return [=, this] { known_[id].cancel_answered = known_[id].cancel_answered || answered; };
  });
}

void BrokerWorld::redrive() {
  ++redrives_asked_;
  submit([this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const auto task = engine.redrive(kQueue, {}, 1 + static_cast<int>(rng_() % 50), now, sink);
    EXPECT_TRUE(task || task.error().code == ErrorCode::kConflict);
    return [=, this] {
      if (task) redrives_.insert(task->id);
    };
  });
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

// Somebody wants a waiting job to run at another time.
void BrokerWorld::reschedule_something() {
  if (known_.empty()) return;
  const JobId id =
      std::next(known_.begin(), static_cast<std::ptrdiff_t>(random(known_.size())))->first;
  const Duration delay = std::chrono::seconds{random(10)};
  submit([=](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const auto before = engine.find(kQueue, id, now);
    const bool waits =
        before && (before->state == JobState::kScheduled || before->state == JobState::kReady);
    const auto after = engine.reschedule(kQueue, id, now.wall + delay, now, sink);
    EXPECT_EQ(static_cast<bool>(after), waits);
    return [] {};
  });
}

std::optional<StoredJob> BrokerWorld::stored(JobId id) const {
  auto found = store_->find(*engine_->queue_number(kQueue), id, clock_.now().wall);
  EXPECT_TRUE(found);
  return found ? std::move(*found) : std::nullopt;
}

// Right after a start: nothing a client was told is untrue (SURVIVAL 20).
void BrokerWorld::check_known() {
  for (const auto& [id, job] : known_) {
    const auto now_live = live(id);
    const auto on_disk = stored(id);
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
      EXPECT_LE(now_live->record.attempts, static_cast<unsigned>(kMaxAttempts));
      EXPECT_LE(now_live->record.lease_losses, static_cast<unsigned>(kMaxLeaseLosses) + 1);
    }
  }
}

void BrokerWorld::finish() {
  disk_.heal();
  for (int round = 0; round < 100'000; ++round) {
    const api::QueueFigures figures = engine_->queue(kQueue, clock_.now())->figures;
    const bool redriving = engine_->until_next(clock_.now()).value_or(1h) < 2s;
    if (figures.ready + figures.scheduled + figures.running + figures.blocked == 0 && !redriving &&
        !pipeline_->has_work()) {
      break;
    }
    claim_something();
    commit();
    while (!leases_.empty()) settle_something(true);
    commit();
    clock_.advance(1s);
  }
  check_known();
  check_redrives(true);
  check_follow_ups();
  for (const auto& [id, job] : known_) {
    const auto end = stored(id);
    ASSERT_TRUE(end);
    EXPECT_TRUE(api::has_ended(end->state)) << to_string(id);
    if (end->state == JobState::kDead) {
      EXPECT_TRUE(end->job.attempts == kMaxAttempts ||
                  end->job.lease_losses == kMaxLeaseLosses + 1 ||
                  end->extras->error->reason == "ParentFailed");
    }
  }
}

}  // namespace sluice::broker::testing
