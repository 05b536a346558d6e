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
  std::vector<Wanted> wanted = {new_wanted()};
  if (chance(15)) {
    wanted.resize(2 + random(5));
    for (Wanted& one : wanted) {
      one = chance(20) && !wanted_.empty() ? wanted_[random(wanted_.size())] : new_wanted();
    }
  }
  send(prepare(wanted));
}

// A producer whose reply was lost, or came: either way it is the same job.
void BrokerWorld::repeat_an_enqueue() {
  if (wanted_.empty()) return;
  const EnqueueRequest request = prepare({wanted_[random(wanted_.size())]});
  const std::size_t crashes = crashes_;
  if (chance(50)) step();           // something happens between the lookup and the command
  if (crashes_ != crashes) return;  // the request died with the process
  send(request);
}

Wanted BrokerWorld::new_wanted() {
  Wanted wanted;
  if (chance(40)) return wanted;
  ++names_made_;
  if (chance(20)) {
    wanted.id = JobId{0xABCD, names_made_};
  } else {
    wanted.key = "key-" + std::to_string(names_made_);
  }
  wanted_.push_back(wanted);
  return wanted;
}

NewJob BrokerWorld::draft_job(const Wanted& wanted) {
  NewJob job;
  job.payload = kPayload;
  job.priority = static_cast<int>(random(10));
  if (chance(10)) job.callback = kCallback;
  if (wanted.id) {
    job.id = wanted.id;
    job.source = JobSource{"Job", to_string(*wanted.id), "job"};
  } else if (!wanted.key.empty()) {
    job.idempotency = IdempotencyKey{hash_of(wanted.key), {1}};
  } else {
    if (chance(20)) job.delay = std::chrono::seconds{random(20)};
    if (chance(15)) job.expires_at = clock_.now().wall + std::chrono::seconds{1 + random(30)};
    if (chance(10)) job.unique_key = "unique-" + std::to_string(random(3));
    if (job.unique_key.empty() && chance(5)) {
      job.unique_key = "replaced";
      job.replace = true;
    }
  }
  return job;
}

// What the server reads before it asks the engine.
EnqueueRequest BrokerWorld::prepare(const std::vector<Wanted>& wanted) {
  EnqueueRequest request;
  request.as_of = durable_;
  lookups_.insert(durable_);
  for (const Wanted& sent : wanted) {
    // An id whose record was purged would make a job again.
    const Wanted one = sent.id && purges_asked_.contains(*sent.id) ? Wanted{} : sent;
    NewJob job = draft_job(one);
    Lookup lookup = look_up(one);
    const bool is_sent_once = one.key.empty() && !one.id;
    if (is_sent_once && chance(30)) lookup.parents = choose_parents(job);
    dress(job);
    request.drafts.push_back({one, std::move(job), std::move(lookup)});
  }
  return request;
}

Lookup BrokerWorld::look_up(const Wanted& wanted) {
  Lookup lookup;
  lookup.as_of = durable_;
  if (wanted.id) {
    const auto job = stored(*wanted.id);
    if (job && api::has_ended(job->state)) lookup.by_id = Lookup::Known{*wanted.id, {}, job->state};
  } else if (!wanted.key.empty()) {
    const auto found = store_->key(*engine_->queue_number(kQueue), hash_of(wanted.key));
    EXPECT_TRUE(found);
    if (!*found) return lookup;
    lookup.by_key = Lookup::Known{(*found)->id, (*found)->content, std::nullopt};
    if (const auto job = stored((*found)->id)) lookup.by_key->state = job->state;
  }
  return lookup;
}

// Several jobs are a batch: one step, and often a group.
void BrokerWorld::send(const EnqueueRequest& request) {
  std::optional<NewGroup> wanted;
  if (request.drafts.size() > 1 && chance(50)) wanted.emplace();
  if (wanted && chance(50)) wanted->callback = kCallback;
  const std::size_t number = ++batches_made_;
  submit([=, this](Engine& engine, Now now, RecordSink& sink) -> Reply {
    for (const auto& draft : request.drafts) {
      if (engine.is_stale(kQueue, draft.job, draft.lookup)) return [] {};  // all of them, or none
    }
    std::optional<Uuid> group;
    if (wanted) group = *engine.begin_group(kQueue, *wanted, now);
    const auto results = enqueue_all(request, group, engine, now, sink);
    std::vector<JobId>& jobs = batches_[number].jobs;
    for (const auto& done : results) {
      if (done && !done->repeated) jobs.push_back(done->id);
    }
    if (group) group = engine.seal_group(kQueue, *group, now, sink);
    if (wanted) {
      EXPECT_EQ(group.has_value(), !jobs.empty());
    }
    if (group) groups_[*group] = {jobs, false, wanted->callback.has_value()};
    return [=, this] {
      for (std::size_t i = 0; i < results.size(); ++i) on_enqueued(request.drafts[i], results[i]);
      batches_[number].answered = true;
      if (group) groups_[*group].answered = true;
    };
  });
  lookups_.erase(lookups_.find(request.as_of));
}

std::vector<Result<Enqueued>> BrokerWorld::enqueue_all(const EnqueueRequest& request,
                                                       std::optional<Uuid> group, Engine& engine,
                                                       Now now, RecordSink& sink) {
  std::vector<Result<Enqueued>> results;
  for (const auto& [wanted, draft, lookup] : request.drafts) {
    NewJob job = draft;
    job.group = group;
    const Result<Enqueued> done = engine.enqueue(kQueue, NewJob(job), lookup, now, sink);
    EXPECT_FALSE(done && done->stale);
    results.push_back(done);
    if (!done && done.error().code == ErrorCode::kQueuePaused) {
      EXPECT_TRUE(paused().enqueue);
      continue;
    }
    after_enqueue(job, done);
    if (!done || done->repeated) continue;
    EXPECT_FALSE(paused().enqueue);
    made_.insert(done->id);
    if (!wanted.key.empty()) made_by_key_[wanted.key].insert(done->id);
    if (!job.unique_key.empty() && !job.replace) {
      made_by_unique_key_[job.unique_key].insert(done->id);
    }
  }
  return results;
}

void BrokerWorld::on_enqueued(const EnqueueRequest::Draft& draft, const Result<Enqueued>& done) {
  if (!done) return;
  KnownJob& known = known_[done->id];
  if (draft.wanted.id) {
    known.has_source = true;
    EXPECT_EQ(*draft.wanted.id, done->id);
  }
  if (!draft.wanted.key.empty()) {
    const auto [at, is_new] = known_keys_.emplace(draft.wanted.key, done->id);
    EXPECT_EQ(at->second, done->id) << "one key, two jobs: " << draft.wanted.key;
  }
  if (done->replaced) known_[*done->replaced].cancel_answered = true;
  if (done->repeated) return;
  known.parents = draft.job.depends_on;
  known.runs_anyway = draft.job.on_parent_failure == api::ParentFailure::kRun;
  known.has_callback = draft.job.callback.has_value();
}

// Some jobs that were answered for; what the engine does not know of them is read from the store.
std::shared_ptr<const EndedParents> BrokerWorld::choose_parents(NewJob& job) {
  std::set<JobId> chosen;
  const std::size_t wanted = 1 + random(3);
  for (std::size_t i = 0; i < wanted && !known_.empty(); ++i) {
    const JobId id = any_known();
    if (!purges_asked_.contains(id)) chosen.insert(id);
    parents_.insert(id);
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
