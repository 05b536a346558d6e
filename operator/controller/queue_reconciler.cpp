#include "operator/controller/queue_reconciler.h"

#include <algorithm>
#include <utility>

#include "common/api/decode.h"
#include "common/base/log.h"
#include "operator/controller/condition_events.h"
#include "operator/controller/json_read.h"
#include "operator/controller/pod_status.h"
#include "operator/controller/status_codec.h"

namespace sluice::op {
namespace {

constexpr Duration kConfigureRetryMin = std::chrono::milliseconds{100};
constexpr Duration kConfigureRetryMax = std::chrono::seconds{60};

QueueRef ref_of(const ObjectKey& key) {
  return {key.namespace_name, key.name};
}

bool is_held_by_other(const BrokerQueue& held, const std::string& uid) {
  return !held.uid.empty() && held.uid != uid && !held.retained;
}

// The policy the queue was deleted with is the one it was last configured with.
bool wants_purge(const BrokerQueue& held) {
  const auto spec = api::decode_queue_spec(held.spec_json, api::UnknownMembers::kIgnore);
  return spec && spec->deletion_policy == api::DeletionPolicy::kPurge;
}

bool is_gone(const Error& error) {
  return error.code == ErrorCode::kNotFound;
}

}  // namespace

QueueReconciler::QueueReconciler(const ReconcileContext& context, std::string injected_version,
                                 int start_backoff_seconds_max)
    : context_(context),
      injected_version_(std::move(injected_version)),
      start_backoff_seconds_max_(start_backoff_seconds_max) {}

Result<ReconcileResult> QueueReconciler::reconcile(const ObjectKey& key) {
  std::optional<Object> object = context_.cache.get(key);
  if (!object) {
    auto live = read_live(context_, key);
    if (!live) return live.error();
    object = *std::move(live);
  }
  if (!object) return let_go(key);

  Memory& memory = memory_of(key);
  auto gathered = gather(*object, memory);
  if (!gathered) return gathered.error();

  QueuePlan plan = plan_queue(gathered->input, context_.clock.now().wall);
  const bool may_put = context_.clock.now().steady >= memory.configure_not_before;
  if (plan.put_config && gathered->input.broker_reachable && may_put) {
    put_config(*gathered, memory, plan);
    plan = plan_queue(gathered->input, context_.clock.now().wall);
  }
  memory.scaling = plan.scaling_memory;

  report_vanished(key, memory);
  report_missing(*gathered, memory);
  const Status pool = apply_pool(*gathered, memory, plan);
  const auto held_back = apply_status(*gathered, memory, std::move(plan.status));
  if (!held_back) return held_back.error();
  if (!pool) return pool.error();
  if (const Status shown = show_replicas(*gathered, plan); !shown) return shown.error();
  if (gathered->broker_error) return *gathered->broker_error;

  ReconcileResult result{earlier_wait(plan.requeue_after, *held_back)};
  const SteadyPoint now = context_.clock.now().steady;
  result.requeue_after = earlier_wait(result.requeue_after, memory.templates.ask_again_after(now));
  if (!memory.missing_since.empty())
    result.requeue_after = earlier_wait(result.requeue_after, kMissingPodWait);
  if (gathered->input.broker_reachable)
    result.requeue_after = earlier_wait(result.requeue_after, kAskEvery);
  if (memory.configure_error) {
    const Duration wait = memory.configure_not_before - context_.clock.now().steady;
    result.requeue_after = earlier_wait(result.requeue_after, std::max(wait, Duration{1}));
  }
  return result;
}

void QueueReconciler::pod_vanished(const Object& pod) {
  const auto label = pod.labels.find(kQueueLabel);
  if (label == pod.labels.end()) return;
  const std::lock_guard lock(mutex_);
  vanished_[{ObjectKind::kQueue, pod.key.namespace_name, label->second}].push_back(
      {pod.key.name, pod.uid});
}

QueueReconciler::Memory& QueueReconciler::memory_of(const ObjectKey& key) {
  const std::lock_guard lock(mutex_);
  return memories_[key];
}

// --- gather ----------------------------------------------------------------------------------

Result<QueueReconciler::Gathered> QueueReconciler::gather(const Object& object, Memory& memory) {
  Gathered gathered;
  gathered.object = object;
  gathered.ref = ref_of(object.key);
  QueueInput& input = gathered.input;
  input.name = object.key.name;
  input.uid = object.uid;
  input.generation = object.generation;
  input.conditions_before = decode_queue_status(object.status_json).conditions;
  input.injected_version = injected_version_;
  auto spec = api::decode_queue_spec(object.spec_json, api::UnknownMembers::kIgnore);
  if (spec) {
    input.spec = *std::move(spec);
    const std::string& manager = object.replicas_manager;
    if (input.spec.replicas && !manager.empty() && manager != kFieldManager) {
      input.pinned = input.spec.replicas;
      input.pinned_by = manager;
    }
  } else {
    input.decode_error = spec.error();
  }

  const Status asked = gather_broker(gathered, memory);
  if (!asked) {
    input.broker_reachable = false;
    gathered.broker_error = asked.error();
  }
  gather_pods(gathered, memory);
  gather_starts(gathered, memory);
  check_template(gathered, memory);
  input.scaling_memory = memory.scaling;
  if (memory.configure_generation == object.generation &&
      context_.clock.now().steady < memory.configure_not_before) {
    input.configure_error = memory.configure_error;
  }
  return gathered;
}

void QueueReconciler::gather_pods(Gathered& gathered, Memory& memory) const {
  const QueueRef& ref = gathered.ref;
  for (Object& pod : context_.cache.pods_of(ref.namespace_name, ref.name)) {
    if (pod.owner_uid != gathered.object.uid) {
      gathered.orphans.push_back(std::move(pod));
      continue;
    }
    PodFacts facts = pod_facts(pod);
    facts.reported_gone = memory.reported_gone.contains(facts.uid);
    gathered.input.pods.push_back(std::move(facts));
  }
}

// Before the plan: a pod that failed delays its successor in the same reconcile.
void QueueReconciler::gather_starts(Gathered& gathered, Memory& memory) const {
  QueueInput& input = gathered.input;
  if (input.decode_error || !input.spec.worker) return;
  StartFailures& starts = memory.starts;
  starts.observe(template_hash(*input.spec.worker), input.pods, context_.clock.now().wall);
  input.is_failing_to_start = starts.is_failing();
  input.create_not_before = starts.not_before(start_backoff_seconds_max_);
  input.create_error = starts.create_error();
  input.start_error = starts.start_error();
}

void QueueReconciler::check_template(Gathered& gathered, Memory& memory) const {
  QueueInput& input = gathered.input;
  if (input.decode_error || !input.spec.worker) return;
  const std::string hash = template_hash(*input.spec.worker);
  PoolInput pool{.queue = input.name, .queue_uid = input.uid, .template_hash = hash};
  pool.injected_version = injected_version_;
  input.template_check =
      memory.templates.check(context_.store, context_.pods, gathered.object, input.spec,
                             {pod_name(pool, 0), hash, 0}, context_.clock.now().steady);
  input.grace_seconds = template_grace_seconds(input.spec.worker->template_json);
}

Status QueueReconciler::gather_broker(Gathered& gathered, Memory& memory) {
  QueueInput& input = gathered.input;
  input.broker_reachable = context_.view.is_reachable();
  if (!input.broker_reachable) return Ok{};

  const std::uint64_t session = context_.view.session();
  const SteadyPoint now = context_.clock.now().steady;
  if (memory.session != session || !memory.asked_at || now - *memory.asked_at >= kAskEvery) {
    if (memory.session != session) memory.configure_not_before = {};
    auto held = context_.broker.get_queue(gathered.ref);
    if (!held) return held.error();
    memory.held = *std::move(held);
    memory.own_drains.clear();
    memory.session = session;
    memory.asked_at = now;
  }
  const auto changed = let_predecessor_go(gathered, memory);
  if (!changed) return changed.error();

  input.broker_queue = memory.held;
  if (!input.broker_queue) return Ok{};
  if (auto signal = context_.view.signal(gathered.ref)) {
    input.broker_queue->figures = signal->figures;
    input.broker_queue->workers = std::move(signal->workers);
  }
  // Our own drains count before the signals show them.
  for (api::WorkerFigures& worker : input.broker_queue->workers) {
    const auto own = memory.own_drains.find(worker.instance);
    if (own == memory.own_drains.end()) continue;
    if (worker.drain_requested == own->second.drain) {
      memory.own_drains.erase(own);
    } else {
      worker.drain_requested = own->second.drain;
    }
  }
  add_unseen_drains(memory, input.broker_queue->workers);
  return Ok{};
}

// Workers the broker has never heard are not in its list, drained or not.
void QueueReconciler::add_unseen_drains(const Memory& memory,
                                        std::vector<api::WorkerFigures>& workers) {
  for (const auto& [instance, own] : memory.own_drains) {
    const bool is_listed = std::any_of(workers.begin(), workers.end(), [&](const auto& worker) {
      return worker.instance == instance;
    });
    if (is_listed || !own.drain) continue;
    api::WorkerFigures unseen;
    unseen.name = own.worker;
    unseen.instance = instance;
    unseen.drain_requested = true;
    workers.push_back(std::move(unseen));
  }
}

Result<bool> QueueReconciler::let_predecessor_go(const Gathered& gathered, Memory& memory) {
  if (!memory.held || !is_held_by_other(*memory.held, gathered.object.uid)) return false;
  // A cache that lags must not end the hold of our own successor.
  const auto live = read_live(context_, gathered.object.key);
  if (!live) return live.error();
  if (!*live || (*live)->uid != gathered.object.uid) {
    return Error{ErrorCode::kConflict, "the queue was replaced meanwhile", "uid"};
  }
  memory.asked_at.reset();
  const Status let =
      context_.broker.delete_queue(gathered.ref, memory.held->uid, wants_purge(*memory.held));
  if (!let && !is_gone(let.error())) return let.error();
  log_info("predecessor let go", {{"queue", gathered.ref.name}, {"uid", memory.held->uid}});
  auto held = context_.broker.get_queue(gathered.ref);
  if (!held) return held.error();
  memory.held = *std::move(held);
  memory.asked_at = context_.clock.now().steady;
  return true;
}

// --- apply -----------------------------------------------------------------------------------

void QueueReconciler::put_config(Gathered& gathered, Memory& memory, const QueuePlan& plan) {
  const Object& object = gathered.object;
  const Status put =
      context_.broker.put_queue(gathered.ref, plan.spec_json, object.uid, object.generation);
  memory.configure_generation = object.generation;
  if (!put) {
    const int doublings = std::min(memory.configure_failures++, 10);
    memory.configure_not_before =
        context_.clock.now().steady +
        std::min(kConfigureRetryMin * (1 << doublings), kConfigureRetryMax);
    memory.configure_error = put.error();
    memory.asked_at.reset();
    gathered.input.configure_error = put.error();
    log_warn("queue not configured",
             {{"queue", gathered.ref.name}, {"error", put.error().message}});
    return;
  }

  memory.configure_error.reset();
  memory.configure_failures = 0;
  memory.configure_not_before = {};
  const bool is_first = !memory.held || memory.held->uid != object.uid;
  const bool says_more = is_first || memory.held->spec_json != plan.spec_json;
  if (!memory.held) memory.held.emplace();
  memory.held->uid = object.uid;
  memory.held->generation = object.generation;
  memory.held->retained = false;
  memory.held->spec_json = plan.spec_json;
  if (gathered.input.broker_queue) {
    memory.held->figures = gathered.input.broker_queue->figures;
    memory.held->workers = gathered.input.broker_queue->workers;
  }
  gathered.input.broker_queue = memory.held;
  gathered.input.configure_error.reset();
  // A generation that only moved the size is no news.
  if (says_more)
    log_info("queue configured", {{"queue", gathered.ref.name}, {"generation", object.generation}});
  if (!is_first) return;
  // Jobs and schedules may have waited for this queue.
  for (const ObjectKind kind : {ObjectKind::kJob, ObjectKind::kSchedule}) {
    for (const ObjectKey& key : context_.cache.keys(kind, gathered.ref.namespace_name)) {
      context_.queue.add(key, Lane::kBacklog);
    }
  }
}

// For `/scale` readers. A manager that took the field meanwhile is seen with the next event.
Status QueueReconciler::show_replicas(const Gathered& gathered, const QueuePlan& plan) {
  if (!plan.set_replicas) return Ok{};
  const auto shown = context_.store.set_replicas(gathered.object.key, *plan.set_replicas);
  if (shown) {
    context_.cache.note(*shown);
    return Ok{};
  }
  const ErrorCode code = shown.error().code;
  if (code == ErrorCode::kConflict || code == ErrorCode::kNotFound) return Ok{};
  return shown.error();
}

void QueueReconciler::record_events(const Gathered& gathered, const QueueStatus& before,
                                    const QueueStatus& after) const {
  record_changes(context_.events, gathered.object, before.conditions, after.conditions);
  if (before.desired_replicas == after.desired_replicas) return;
  const Condition* scaling = find_condition(after.conditions, "Scaling");
  context_.events.record(gathered.object, EventSeverity::kNormal, "Scaled",
                         "workers " + std::to_string(before.desired_replicas) + " to " +
                             std::to_string(after.desired_replicas) +
                             (scaling == nullptr ? "" : ": " + scaling->reason));
}

Result<std::optional<Duration>> QueueReconciler::apply_status(const Gathered& gathered,
                                                              Memory& memory, QueueStatus status) {
  const QueueStatus before = decode_queue_status(gathered.object.status_json);
  if (!status.figures) status.figures = before.figures;
  const std::string wanted = encode(status);
  if (is_same_json(wanted, gathered.object.status_json)) return std::optional<Duration>();

  const SteadyPoint now = context_.clock.now().steady;
  if (!is_transition(before.conditions, status.conditions) && memory.status_written_at) {
    const Duration wait = *memory.status_written_at + kFiguresEvery - now;
    if (wait > Duration::zero()) return std::optional<Duration>(wait);
  }
  const auto written = write_status(context_, gathered.object, wanted);
  if (!written) return written.error();
  if (*written) {
    memory.status_written_at = now;
    record_events(gathered, before, status);
  }
  return std::optional<Duration>();
}

Result<ReconcileResult> QueueReconciler::let_go(const ObjectKey& key) {
  for (const Object& pod : context_.cache.pods_of(key.namespace_name, key.name)) {
    if (pod.deletion_time) continue;
    if (const Status removed = delete_pod(pod.key, pod.uid); !removed) return removed.error();
  }
  {
    const std::lock_guard lock(mutex_);
    memories_.erase(key);
    vanished_.erase(key);
  }
  // Away: the comparison after the reconnect brings this key again.
  if (!context_.view.is_reachable()) return ReconcileResult{};
  const auto held = context_.broker.get_queue(ref_of(key));
  if (!held) return held.error();
  if (!*held || (*held)->uid.empty() || (*held)->retained) return ReconcileResult{};
  const Status let = context_.broker.delete_queue(ref_of(key), (*held)->uid, wants_purge(**held));
  if (!let && !is_gone(let.error())) return let.error();
  log_info("queue let go", {{"queue", key.name}});
  return ReconcileResult{};
}

}  // namespace sluice::op
