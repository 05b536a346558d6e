// The worker pods of a queue: the plan's actions, carried out.
#include <set>
#include <utility>

#include "common/base/log.h"
#include "operator/controller/queue_reconciler.h"

namespace sluice::op {
namespace {

bool is_gone(const Error& error) {
  return error.code == ErrorCode::kNotFound;
}

}  // namespace

Status QueueReconciler::apply_pool(const Gathered& gathered, Memory& memory,
                                   const QueuePlan& plan) {
  for (const Object& orphan : gathered.orphans) {
    if (orphan.deletion_time) continue;
    if (const Status removed = delete_pod(orphan.key, orphan.uid); !removed) return removed;
  }
  const auto& ns = gathered.ref.namespace_name;
  // One after the other, ending at the first refusal: a full quota is met once, not n times
  // (SURVIVAL 11).
  for (const PoolAction& action : plan.pool_actions) {
    Status done = Ok{};
    if (const auto* create = std::get_if<CreatePod>(&action)) {
      done = create_pod(gathered, memory, *create);
    } else if (const auto* drained = std::get_if<DrainWorker>(&action)) {
      done = drain(gathered, memory, drained->pod, drained->instance, true);
    } else if (const auto* undrained = std::get_if<UndrainWorker>(&action)) {
      done = drain(gathered, memory, undrained->pod, undrained->instance, false);
    } else if (const auto* deleted = std::get_if<DeletePod>(&action)) {
      done = delete_pod({ObjectKind::kPod, ns, deleted->pod}, deleted->uid);
    } else if (const auto* gone = std::get_if<ReportGone>(&action)) {
      done = report_gone(gathered, memory, *gone);
    }
    if (!done) return done;
  }
  return Ok{};
}

Status QueueReconciler::create_pod(const Gathered& gathered, Memory& memory,
                                   const CreatePod& action) {
  const Object& queue = gathered.object;
  const std::string hash = template_hash(*gathered.input.spec.worker);
  auto pod = context_.pods.build(queue, gathered.input.spec, {action.name, hash, action.ordinal});
  Result<Object> created = pod;
  if (pod) {
    pod->key = {ObjectKind::kPod, queue.key.namespace_name, action.name};
    pod->owner_uid = queue.uid;
    pod->owner_name = queue.key.name;
    pod->labels[kQueueLabel] = queue.key.name;
    pod->labels[kTemplateHashLabel] = hash;
    pod->labels[kInjectedVersionLabel] = injected_version_;
    created = context_.store.create(*std::move(pod));
  }
  if (created) {
    context_.cache.note(*created);
    memory.starts.created();
    log_info("pod created", {{"queue", queue.key.name}, {"pod", action.name}});
    return Ok{};
  }
  if (created.error().code == ErrorCode::kConflict) {
    const auto live =
        read_live(context_, {ObjectKind::kPod, queue.key.namespace_name, action.name});
    if (!live) return live.error();
    // Ours, made by an earlier self or another leader: it is in the cache now. Being deleted: its
    // name is taken until it is gone. Somebody else's: as good as a refusal.
    context_.queue.add(queue.key);
    if (*live && (*live)->owner_uid == queue.uid) return Ok{};
  }
  memory.starts.refused(created.error().message, context_.clock.now().wall);
  return created.error();
}

Status QueueReconciler::drain(const Gathered& gathered, Memory& memory, const std::string& pod,
                              const std::string& instance, bool drain) {
  const Status done = context_.broker.drain_worker(gathered.ref, pod, instance, drain);
  if (!done) return done;
  memory.own_drains[instance] = {pod, drain};
  log_info(drain ? "worker draining" : "worker taken back",
           {{"queue", gathered.ref.name}, {"pod", pod}});
  return Ok{};
}

Status QueueReconciler::delete_pod(const ObjectKey& pod, const std::string& uid) {
  const Status removed = context_.store.remove(pod, uid);
  if (removed) {
    context_.cache.note_removing(pod, uid, context_.clock.now().wall);
    log_info("pod deleted", {{"pod", pod.name}});
    return Ok{};
  }
  const ErrorCode code = removed.error().code;
  if (code != ErrorCode::kNotFound && code != ErrorCode::kConflict) return removed;
  const auto live = read_live(context_, pod);
  return live ? Status(Ok{}) : Status(live.error());
}

Status QueueReconciler::report_gone(const Gathered& gathered, Memory& memory,
                                    const ReportGone& action) {
  const Status told =
      context_.broker.worker_gone(gathered.ref, action.pod, action.instance, action.cause);
  if (!told && !is_gone(told.error())) return told;
  memory.reported_gone.insert(action.instance);
  return Ok{};
}

void QueueReconciler::report_vanished(const ObjectKey& key, Memory& memory) {
  std::vector<Gone> gone;
  {
    const std::lock_guard lock(mutex_);
    const auto it = vanished_.find(key);
    if (it == vanished_.end()) return;
    gone = std::move(it->second);
    vanished_.erase(it);
  }
  for (const Gone& one : gone) {
    if (memory.reported_gone.erase(one.instance) > 0) continue;
    // Unheard, its leases simply lapse: that costs a lease loss, so trying once is enough.
    const Status told = context_.broker.worker_gone({key.namespace_name, key.name}, one.worker,
                                                    one.instance, "Disruption");
    if (!told && !is_gone(told.error())) {
      log_warn("pod's end not reported", {{"pod", one.worker}, {"error", told.error().message}});
    }
  }
}

// Pods that went while no operator looked left workers behind that nobody will hear of again.
void QueueReconciler::report_missing(const Gathered& gathered, Memory& memory) {
  if (!gathered.input.broker_queue) return;
  const SteadyPoint now = context_.clock.now().steady;
  std::set<std::string> present;
  for (const PodFacts& pod : gathered.input.pods) present.insert(pod.uid);
  for (const Object& orphan : gathered.orphans) present.insert(orphan.uid);
  std::map<std::string, SteadyPoint> missing;
  for (const api::WorkerFigures& worker : gathered.input.broker_queue->workers) {
    const bool is_missing = worker.running > 0 && !present.contains(worker.instance) &&
                            is_pod_name(gathered.ref.name, worker.name);
    if (!is_missing) continue;
    const auto since = memory.missing_since.find(worker.instance);
    const SteadyPoint first = since == memory.missing_since.end() ? now : since->second;
    if (now - first < kMissingPodWait) {
      missing.emplace(worker.instance, first);
      continue;
    }
    const Status told =
        context_.broker.worker_gone(gathered.ref, worker.name, worker.instance, "Disruption");
    if (!told && !is_gone(told.error())) missing.emplace(worker.instance, first);
  }
  memory.missing_since = std::move(missing);
}

}  // namespace sluice::op
