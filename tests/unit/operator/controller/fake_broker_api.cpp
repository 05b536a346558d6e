#include "tests/unit/operator/controller/fake_broker_api.h"

#include <nlohmann/json.hpp>

#include "operator/controller/json_read.h"

namespace sluice::testing {

using op::QueueRef;

namespace {

constexpr std::chrono::seconds kWaitMax{10};

Error away() {
  return {ErrorCode::kUnavailable, "the broker is away"};
}
Error no_queue() {
  return {ErrorCode::kNotFound, "no such queue"};
}
Error conflict(const char* field) {
  return {ErrorCode::kConflict, "refused", field};
}

}  // namespace

// --- the world -------------------------------------------------------------------------------

void FakeBroker::change_locked(Job* job) {
  ++version_;
  if (job != nullptr) job->version = version_;
  changed_.notify_all();
}

op::BrokerQueue FakeBroker::view_locked(const Queue& queue) const {
  op::BrokerQueue view = queue.config;
  for (const auto& [id, job] : queue.jobs) {
    if (job.job.state == api::JobState::kReady) ++view.figures.ready;
    if (job.job.state == api::JobState::kRunning) ++view.figures.running;
    if (job.job.state == api::JobState::kDead) ++view.figures.dead;
  }
  view.figures.backlog = view.figures.dispatchable = view.figures.ready;
  for (const auto& [instance, worker] : queue.workers) view.workers.push_back(worker);
  return view;
}

void FakeBroker::add_jobs(const QueueRef& ref, int count) {
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < count; ++i) {
    Job job;
    job.job.id = "job-" + std::to_string(++next_id_);
    queues_[ref].jobs[job.job.id] = job;
  }
  change_locked();
}

void FakeBroker::run_jobs(const QueueRef& ref, const std::set<std::string>& instances) {
  const std::lock_guard lock(mutex_);
  const auto it = queues_.find(ref);
  if (it == queues_.end()) return;
  auto free = instances.begin();
  for (auto& [id, job] : it->second.jobs) {
    if (job.job.state != api::JobState::kReady || free == instances.end()) continue;
    if (it->second.drains.contains(*free)) {
      ++free;
      continue;
    }
    job.job.state = api::JobState::kSucceeded;
    job.job.attempts = 0;
    job.job.worker = it->second.workers[*free].name;
    job.job.started_at = job.job.finished_at = clock_.now().wall;
    job.job.result_json = R"({"ok":true})";
    change_locked(&job);
    ++free;
  }
}

void FakeBroker::end_job(const QueueRef& ref, const std::string& id, api::JobState state,
                         const std::string& result_json) {
  const std::lock_guard lock(mutex_);
  Job& job = queues_.at(ref).jobs.at(id);
  job.job.state = state;
  job.job.result_json = result_json;
  job.job.finished_at = clock_.now().wall;
  change_locked(&job);
}

void FakeBroker::drop_record(const QueueRef& ref, const std::string& id) {
  const std::lock_guard lock(mutex_);
  queues_.at(ref).jobs.erase(id);
  change_locked();
}

void FakeBroker::see_worker(const QueueRef& ref, const std::string& name,
                            const std::string& instance) {
  const std::lock_guard lock(mutex_);
  const auto it = queues_.find(ref);
  if (it == queues_.end()) return;
  api::WorkerFigures& worker = it->second.workers[instance];
  const bool drain = it->second.drains.contains(instance);
  const bool is_new = worker.name.empty() || worker.draining != drain;
  worker.name = name;
  worker.instance = instance;
  worker.drain_requested = worker.draining = drain;
  worker.seen_at = clock_.now().wall;
  if (is_new) change_locked();
}

void FakeBroker::forget_worker(const QueueRef& ref, const std::string& instance) {
  const std::lock_guard lock(mutex_);
  const auto it = queues_.find(ref);
  if (it != queues_.end() && it->second.workers.erase(instance) > 0) change_locked();
}

void FakeBroker::set_away(bool away) {
  const std::lock_guard lock(mutex_);
  away_ = away;
  changed_.notify_all();
}

std::optional<op::BrokerQueue> FakeBroker::queue(const QueueRef& ref) const {
  const std::lock_guard lock(mutex_);
  const auto it = queues_.find(ref);
  if (it == queues_.end()) return std::nullopt;
  return view_locked(it->second);
}

std::map<std::string, api::JobState> FakeBroker::jobs(const QueueRef& ref) const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, api::JobState> found;
  const auto it = queues_.find(ref);
  if (it == queues_.end()) return found;
  for (const auto& [id, job] : it->second.jobs) found[id] = job.job.state;
  return found;
}

std::vector<std::string> FakeBroker::bodies() const {
  const std::lock_guard lock(mutex_);
  return bodies_;
}

bool FakeBroker::is_acknowledged(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return acknowledged_.contains(id);
}

bool FakeBroker::wants_drain(const QueueRef& ref, const std::string& instance) const {
  const std::lock_guard lock(mutex_);
  const auto it = queues_.find(ref);
  return it != queues_.end() && it->second.drains.contains(instance);
}

// --- one connection --------------------------------------------------------------------------

FakeBrokerApi::Fuse::Leave FakeBrokerApi::Fuse::spend() {
  if (blown) return {false, false};
  if (left < 0) return {true, true};
  if (left.fetch_sub(1) > 1) return {true, true};
  left = 0;
  blown = true;
  return {loses_reply, false};
}

bool FakeBrokerApi::is_cut_locked() const {
  return stopped_ || broker_.away_ || (fuse_ != nullptr && fuse_->blown);
}

template <typename T, typename Write>
Result<T> FakeBrokerApi::write(Write write) {
  const std::lock_guard lock(broker_.mutex_);
  if (is_cut_locked()) return away();
  const Fuse::Leave leave = fuse_ != nullptr ? fuse_->spend() : Fuse::Leave{true, true};
  if (!leave.happens) return away();
  Result<T> result = write();
  if (!leave.answers) return away();
  return result;
}

Status FakeBrokerApi::put_queue(const QueueRef& ref, const std::string& spec_json,
                                const std::string& uid, std::int64_t generation) {
  return write<Ok>([&]() -> Status {
    FakeBroker::Queue& queue = broker_.queues_[ref];
    op::BrokerQueue& held = queue.config;
    if (queue.released.contains(uid)) return conflict("uid");
    if (!held.uid.empty() && held.uid != uid && !held.retained) return conflict("uid");
    if (held.uid == uid && generation < held.generation) return conflict("generation");
    held.uid = uid;
    held.generation = generation;
    held.retained = false;
    held.spec_json = spec_json;
    broker_.change_locked();
    return Ok{};
  });
}

Status FakeBrokerApi::delete_queue(const QueueRef& ref, const std::string& uid, bool purge) {
  return write<Ok>([&]() -> Status {
    const auto it = broker_.queues_.find(ref);
    if (it == broker_.queues_.end()) return no_queue();
    if (it->second.config.uid != uid) return conflict("uid");
    it->second.released.insert(uid);
    if (purge) {
      broker_.queues_.erase(it);
    } else {
      it->second.config.retained = true;
    }
    broker_.change_locked();
    return Ok{};
  });
}

Result<std::optional<op::BrokerQueue>> FakeBrokerApi::get_queue(const QueueRef& ref) {
  const std::lock_guard lock(broker_.mutex_);
  if (is_cut_locked()) return away();
  const auto it = broker_.queues_.find(ref);
  if (it == broker_.queues_.end()) return std::optional<op::BrokerQueue>();
  return std::optional(broker_.view_locked(it->second));
}

Result<std::vector<std::pair<QueueRef, op::BrokerQueue>>> FakeBrokerApi::list_queues() {
  const std::lock_guard lock(broker_.mutex_);
  if (is_cut_locked()) return away();
  std::vector<std::pair<QueueRef, op::BrokerQueue>> queues;
  for (const auto& [ref, queue] : broker_.queues_) {
    queues.emplace_back(ref, broker_.view_locked(queue));
  }
  return queues;
}

Result<op::EnqueueResult> FakeBrokerApi::enqueue(const QueueRef& ref, const std::string& body) {
  return write<op::EnqueueResult>([&]() -> Result<op::EnqueueResult> {
    const auto it = broker_.queues_.find(ref);
    if (it == broker_.queues_.end() || it->second.config.retained) return no_queue();
    FakeBroker::Queue& queue = it->second;
    const auto document = op::parse_json(body);
    const auto& source = op::member(document, "source");
    const auto& schedule = op::member(document, "schedule");
    FakeBroker::Job job;
    job.job.id = op::text_at(document, "id");
    if (job.job.id.empty()) job.job.id = "job-" + std::to_string(++broker_.next_id_);
    job.source_uid = op::text_at(source, "uid");
    job.source_name = op::text_at(source, "name");
    if (const auto known = queue.jobs.find(job.job.id); known != queue.jobs.end()) {
      return op::EnqueueResult{job.job.id, std::string(to_string(known->second.job.state)), false};
    }
    if (const auto parents = document.find("dependsOn"); parents != document.end()) {
      for (std::size_t i = 0; i < parents->size(); ++i) {
        const std::string id = (*parents)[i].get<std::string>();
        if (queue.jobs.contains(id)) continue;
        return Error{ErrorCode::kNotFound, "there is no job " + id,
                     "dependsOn[" + std::to_string(i) + "]"};
      }
    }
    if (const auto tick = op::time_at(schedule, "tick")) {
      job.schedule_uid = op::text_at(schedule, "uid");
      const auto last = queue.last_ticks.find(job.schedule_uid);
      if (last != queue.last_ticks.end() && last->second >= *tick) {
        return op::EnqueueResult{"earlier", "Ready", false};
      }
      queue.last_ticks[job.schedule_uid] = *tick;
    }
    FakeBroker::Job& stored = queue.jobs[job.job.id] = job;
    broker_.bodies_.push_back(body);
    broker_.change_locked(&stored);
    return op::EnqueueResult{job.job.id, "Ready", false};
  });
}

Result<std::optional<op::BrokerJob>> FakeBrokerApi::get_job(const QueueRef& ref,
                                                            const std::string& id) {
  const std::lock_guard lock(broker_.mutex_);
  if (is_cut_locked()) return away();
  const auto it = broker_.queues_.find(ref);
  if (it == broker_.queues_.end()) return std::optional<op::BrokerJob>();
  const auto job = it->second.jobs.find(id);
  if (job == it->second.jobs.end()) return std::optional<op::BrokerJob>();
  return std::optional(job->second.job);
}

Status FakeBrokerApi::cancel_job(const QueueRef& ref, const std::string& id) {
  return write<Ok>([&]() -> Status {
    const auto it = broker_.queues_.find(ref);
    if (it == broker_.queues_.end() || !it->second.jobs.contains(id)) return no_queue();
    FakeBroker::Job& job = it->second.jobs[id];
    if (api::has_ended(job.job.state)) return Ok{};
    job.job.state = api::JobState::kCancelled;
    broker_.change_locked(&job);
    return Ok{};
  });
}

Status FakeBrokerApi::acknowledge(const QueueRef& ref, const std::vector<std::string>& ids) {
  return write<Ok>([&]() -> Status {
    const auto it = broker_.queues_.find(ref);
    if (it == broker_.queues_.end()) return no_queue();
    for (const std::string& id : ids) {
      const auto job = it->second.jobs.find(id);
      if (job == it->second.jobs.end() || !api::has_ended(job->second.job.state)) continue;
      job->second.acknowledged = true;
      broker_.acknowledged_.insert(id);
    }
    return Ok{};
  });
}

Result<op::OutcomesPage> FakeBrokerApi::outcomes(const std::string& cursor, int) {
  const std::uint64_t after = cursor.empty() ? 0 : std::stoull(cursor);
  op::OutcomesPage page;
  std::unique_lock lock(broker_.mutex_);
  const auto gather = [&] {
    if (is_cut_locked()) return true;
    std::uint64_t last = after;
    for (const auto& [ref, queue] : broker_.queues_) {
      for (const auto& [id, job] : queue.jobs) {
        if (job.source_uid.empty() || job.acknowledged || job.version <= after) continue;
        page.events.push_back({ref, job.source_uid, job.source_name, job.job});
        last = std::max(last, job.version);
      }
    }
    page.cursor = std::to_string(last);
    return !page.events.empty();
  };
  broker_.changed_.wait_for(lock, kWaitMax, gather);
  if (is_cut_locked()) return away();
  return page;
}

Result<op::BrokerSchedule> FakeBrokerApi::schedule(const QueueRef& ref, const std::string& uid) {
  const std::lock_guard lock(broker_.mutex_);
  if (is_cut_locked()) return away();
  const auto it = broker_.queues_.find(ref);
  if (it == broker_.queues_.end()) return no_queue();
  op::BrokerSchedule schedule;
  const auto last = it->second.last_ticks.find(uid);
  if (last != it->second.last_ticks.end()) schedule.last_tick = last->second;
  for (const auto& [id, job] : it->second.jobs) {
    if (job.schedule_uid == uid && !api::has_ended(job.job.state)) ++schedule.running;
  }
  return schedule;
}

Status FakeBrokerApi::drain_worker(const QueueRef& ref, const std::string&,
                                   const std::string& instance, bool drain) {
  return write<Ok>([&]() -> Status {
    const auto it = broker_.queues_.find(ref);
    if (it == broker_.queues_.end()) return no_queue();
    if (drain) {
      it->second.drains.insert(instance);
    } else {
      it->second.drains.erase(instance);
    }
    const auto worker = it->second.workers.find(instance);
    if (worker != it->second.workers.end()) worker->second.drain_requested = drain;
    broker_.change_locked();
    return Ok{};
  });
}

Status FakeBrokerApi::worker_gone(const QueueRef& ref, const std::string&,
                                  const std::string& instance, const std::string&) {
  return write<Ok>([&]() -> Status {
    const auto it = broker_.queues_.find(ref);
    if (it == broker_.queues_.end()) return no_queue();
    it->second.workers.erase(instance);
    broker_.change_locked();
    return Ok{};
  });
}

Status FakeBrokerApi::signals(const std::function<void(const api::QueueSignal&)>& on_signal) {
  std::uint64_t seen = 0;
  while (true) {
    std::vector<api::QueueSignal> signals;
    {
      std::unique_lock lock(broker_.mutex_);
      broker_.changed_.wait_for(lock, kWaitMax,
                                [&] { return is_cut_locked() || broker_.version_ != seen; });
      if (is_cut_locked()) return away();
      seen = broker_.version_;
      for (const auto& [ref, queue] : broker_.queues_) {
        const auto view = broker_.view_locked(queue);
        signals.push_back({ref.namespace_name, ref.name, view.figures, view.workers});
      }
    }
    for (const auto& signal : signals) on_signal(signal);
  }
}

void FakeBrokerApi::stop() {
  const std::lock_guard lock(broker_.mutex_);
  stopped_ = true;
  broker_.changed_.notify_all();
}

}  // namespace sluice::testing
