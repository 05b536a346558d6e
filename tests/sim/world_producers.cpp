// Producers: new jobs, and the same ones sent again.
#include "tests/sim/broker_world.h"
#include "tests/sim/world_limits.h"

namespace sluice::broker::testing {

using api::JobState;

namespace {

Hash128 hash_of(const std::string& text) {
  Hash128 hash{};
  std::copy_n(text.begin(), std::min(text.size(), hash.size()), hash.begin());
  return hash;
}

}  // namespace

void BrokerWorld::enqueue_something() {
  Wanted wanted;
  if (chance(40)) return enqueue(wanted, {}, std::nullopt);
  ++names_made_;
  if (chance(20)) {
    wanted.id = JobId{0xABCD, names_made_};
  } else {
    wanted.key = "key-" + std::to_string(names_made_);
  }
  wanted_.push_back(wanted);
  std::optional<BatchNumber> as_of;
  const Lookup lookup = look_up(wanted, as_of);
  enqueue(wanted, lookup, as_of);
}

// A producer whose reply was lost, or came: either way it is the same job.
void BrokerWorld::repeat_an_enqueue() {
  if (wanted_.empty()) return;
  const Wanted wanted = wanted_[random(wanted_.size())];
  std::optional<BatchNumber> as_of;
  const Lookup lookup = look_up(wanted, as_of);
  const std::size_t crashes = crashes_;
  if (chance(50)) step();           // something happens between the lookup and the command
  if (crashes_ != crashes) return;  // the request died with the process
  enqueue(wanted, lookup, as_of);
}

Lookup BrokerWorld::look_up(const Wanted& wanted, std::optional<BatchNumber>& as_of) {
  as_of = durable_;
  lookups_.insert(durable_);
  Lookup lookup;
  lookup.as_of = durable_;
  const Result<QueueNumber> number = engine_->queue_number(kQueue);
  EXPECT_TRUE(number);
  if (wanted.id) {
    const auto job = stored(*wanted.id);
    if (job && api::has_ended(job->state)) lookup.by_id = Lookup::Known{*wanted.id, {}, job->state};
    return lookup;
  }
  const auto found = store_->key(*number, hash_of(wanted.key));
  EXPECT_TRUE(found);
  if (*found) {
    Lookup::Known known{(*found)->id, (*found)->content, JobState::kReady};
    if (const auto job = stored((*found)->id)) known.state = job->state;
    lookup.by_key = known;
  }
  return lookup;
}

void BrokerWorld::enqueue(const Wanted& wanted, const Lookup& lookup,
                          std::optional<BatchNumber> as_of) {
  const std::string& key = wanted.key;
  const bool is_sent_once = key.empty() && !wanted.id;
  NewJob job;
  job.payload = kPayload;
  job.priority = static_cast<int>(random(10));
  if (wanted.id) {
    job.id = wanted.id;
    job.source = JobSource{"Job", to_string(*wanted.id), "job"};
  }
  if (is_sent_once && chance(20)) job.delay = std::chrono::seconds{random(20)};
  if (!key.empty()) job.idempotency = IdempotencyKey{hash_of(key), {1}};
  dress(job);
  Lookup with_parents = lookup;
  if (has_detours() && is_sent_once && chance(30)) with_parents.parents = choose_parents(job);
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    const Result<Enqueued> done = engine.enqueue(kQueue, NewJob(job), with_parents, now, sink);
    after_enqueue(done);
    return [this, key, done, job] {
      if (!done || done->stale) return;
      KnownJob& known = known_[done->id];
      known.key = key;
      known.has_source = job.source.has_value();
      known.parents = job.depends_on;
      known.runs_anyway = job.on_parent_failure == api::ParentFailure::kRun;
      if (job.id) {
        EXPECT_EQ(*job.id, done->id);
      }
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
    chosen.insert(any_known());
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

}  // namespace sluice::broker::testing
