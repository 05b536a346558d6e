#include "operator/controller/job_reconciler.h"

#include <utility>

#include "common/api/decode.h"
#include "common/base/log.h"
#include "operator/controller/condition_events.h"
#include "operator/controller/enqueue_body.h"
#include "operator/controller/json_read.h"
#include "operator/controller/status_codec.h"

namespace sluice::op {

JobReconciler::JobReconciler(const ReconcileContext& context) : context_(context), acks_(context) {}

Result<ReconcileResult> JobReconciler::reconcile(const ObjectKey& key) {
  std::optional<Object> object = context_.cache.get(key);
  if (!object) {
    auto live = read_live(context_, key);
    if (!live) return live.error();
    object = *std::move(live);
  }
  if (const Status let = let_orphans_go(key, object ? object->uid : ""); !let) return let.error();
  if (!object) {
    parent_waits_.forget(key);
    return ReconcileResult{};
  }

  Gathered gathered = gather(*object);
  auto plan = apply_broker(gathered, plan_job(gathered.input, context_.clock.now().wall));
  if (!plan) return plan.error();

  // Its status is written on the next visit, at once unless others wait: then all of them are
  // enqueued first, and what has ended by its turn is one write instead of two.
  if (gathered.is_just_enqueued) {
    context_.queue.add(key);
    return ReconcileResult{};
  }

  // The end must stand in the status before the broker may forget it: what was written now is
  // read back, and acknowledged, by the next visit.
  const std::string status = encode(plan->status);
  const bool is_new = !is_same_json(status, gathered.object.status_json);
  const auto written = write_status(context_, gathered.object, status);
  if (!written) return written.error();
  if (*written && is_new) {
    record_changes(context_.events, *object, gathered.input.status_before.conditions,
                   plan->status.conditions);
  }
  if (is_new) context_.queue.add(key);
  if (*written && is_new) {
    // The watch shows nothing new of a write of ours, so those who wait for it are told here.
    for (const ObjectKey& child : waiting_for(key)) context_.queue.add(child);
  }
  if (!*written) return ReconcileResult{};
  if (const Status ended = apply_end(gathered, *plan); !ended) return ended.error();
  // Still to be enqueued: refused for now. Refused for good, it is not tried again before something
  // changes.
  if (plan->enqueue && gathered.input.enqueue_error) return *gathered.input.enqueue_error;
  return ReconcileResult{plan->requeue_after};
}

JobReconciler::Gathered JobReconciler::gather(const Object& object) {
  Gathered gathered;
  gathered.object = object;
  JobInput& input = gathered.input;
  input.name = object.key.name;
  input.uid = object.uid;
  input.generation = object.generation;
  input.deleting = object.deletion_time.has_value();
  input.created_at = object.created_at;
  input.status_before = decode_job_status(object.status_json);
  input.broker_reachable = context_.view.is_reachable();
  auto spec = api::decode_job_spec(object.spec_json, api::UnknownMembers::kIgnore);
  if (spec) {
    input.spec = *std::move(spec);
    gathered.queue = {object.key.namespace_name, input.spec->queue};
    input.queue_exists =
        context_.cache.contains({ObjectKind::kQueue, object.key.namespace_name, input.spec->queue});
  } else {
    input.decode_error = spec.error();
  }
  for (auto& outcome : context_.view.outcomes(object.key)) {
    if (outcome.source_uid != object.uid) continue;
    input.broker_job = std::move(outcome.job);
    input.broker_job_known = true;
  }
  gather_parents(object, input);
  return gathered;
}

// What a job depends on matters until the broker has it.
void JobReconciler::gather_parents(const Object& object, JobInput& input) {
  const bool accepted = is_true(input.status_before.conditions, "Accepted") || input.broker_job;
  if (accepted || input.deleting || !input.spec || input.spec->depends_on.empty()) {
    parent_waits_.forget(object.key);
    return;
  }
  const auto key_of = [&object](const std::string& name) {
    return ObjectKey{ObjectKind::kJob, object.key.namespace_name, name};
  };
  std::vector<ObjectKey> keys;
  for (const std::string& name : input.spec->depends_on) keys.push_back(key_of(name));
  parent_waits_.wait(object.key, keys);

  for (const ObjectKey& key : keys) {
    JobParent& parent = input.parents.emplace_back(JobParent{.name = key.name});
    const auto found = context_.cache.get(key);
    if (!found) continue;
    const auto status = decode_job_status(found->status_json);
    parent.uid = found->uid;
    parent.accepted = is_true(status.conditions, "Accepted");
    if (is_true(status.conditions, "Complete")) parent.end = JobParent::End::kComplete;
    if (is_true(status.conditions, "Failed")) parent.end = JobParent::End::kFailed;
  }
  input.cycle = find_cycle(
      input.name, [&](const std::string& name) -> std::optional<std::vector<std::string>> {
        const auto found = context_.cache.get(key_of(name));
        if (!found) return std::nullopt;
        if (is_true(decode_job_status(found->status_json).conditions, "Accepted")) {
          return std::nullopt;
        }
        auto spec = api::decode_job_spec(found->spec_json, api::UnknownMembers::kIgnore);
        if (!spec) return std::nullopt;
        return std::move(spec->depends_on);
      });
}

Result<JobPlan> JobReconciler::apply_broker(Gathered& gathered, JobPlan plan) {
  JobInput& input = gathered.input;
  if (plan.ask_broker && !input.broker_job_known) {
    auto job = context_.broker.get_job(gathered.queue, input.uid);
    if (!job) return job.error();
    input.broker_job = *std::move(job);
    input.broker_job_known = true;
    plan = plan_job(input, context_.clock.now().wall);
  }
  // A second try does without those parents that the broker has forgotten.
  for (std::optional<std::vector<std::string>> tried; plan.enqueue && tried != plan.parent_ids;) {
    tried = plan.parent_ids;
    const auto reply = context_.broker.enqueue(
        gathered.queue, job_body(*input.spec, input.uid, input.name, plan.parent_ids));
    if (reply) {
      if (const Status taken = take_reply(gathered, *reply); !taken) return taken.error();
    } else {
      input.enqueue_error = reply.error();
    }
    plan = plan_job(input, context_.clock.now().wall);
  }
  if (plan.cancel) {
    const Status cancelled = context_.broker.cancel_job(gathered.queue, input.uid);
    if (!cancelled && cancelled.error().code != ErrorCode::kNotFound) return cancelled.error();
  }
  return plan;
}

Status JobReconciler::take_reply(Gathered& gathered, const EnqueueResult& reply) {
  JobInput& input = gathered.input;
  input.enqueue_error.reset();
  BrokerJob job;
  job.id = reply.id;
  job.state = api::parse_job_state(reply.state).value_or(api::JobState::kReady);
  // Known already and ended: how, is in its record.
  if (api::has_ended(job.state)) {
    const auto record = context_.broker.get_job(gathered.queue, reply.id);
    if (!record) return record.error();
    if (*record) job = **record;
  }
  context_.view.note_enqueued({gathered.queue, input.uid, input.name, job});
  gathered.is_just_enqueued = true;
  input.broker_job = std::move(job);
  input.broker_job_known = true;
  return Ok{};
}

Status JobReconciler::apply_end(const Gathered& gathered, const JobPlan& plan) {
  const Object& object = gathered.object;
  if (plan.acknowledge) {
    if (const Status sent = acks_.send(gathered.queue, object.key, gathered.input.uid); !sent) {
      return sent;
    }
  }
  if (plan.remove) {
    const Status removed = context_.store.remove(object.key, object.uid);
    if (!removed && removed.error().code != ErrorCode::kNotFound &&
        removed.error().code != ErrorCode::kConflict) {
      return removed;
    }
  }
  return Ok{};
}

Status JobReconciler::let_orphans_go(const ObjectKey& key, const std::string& live_uid) {
  for (const auto& outcome : context_.view.outcomes(key)) {
    if (outcome.source_uid == live_uid) continue;
    // The record may belong to a resource newer than our cache.
    const auto live = read_live(context_, key);
    if (!live) return live.error();
    if (*live && (*live)->uid == outcome.source_uid) {
      context_.queue.add(key);
      continue;
    }
    if (!api::has_ended(outcome.job.state)) {
      const Status cancelled = context_.broker.cancel_job(outcome.queue, outcome.job.id);
      if (!cancelled && cancelled.error().code != ErrorCode::kNotFound) return cancelled;
      log_info("job of a deleted resource cancelled", {{"job", outcome.job.id}});
      // Its end comes over the feed and brings us back; a record that is gone has none.
      if (!cancelled) context_.view.drop_outcome(key, outcome.source_uid);
      continue;
    }
    const Status done = context_.broker.acknowledge(outcome.queue, {outcome.job.id});
    if (!done && done.error().code != ErrorCode::kNotFound) return done;
    context_.view.drop_outcome(key, outcome.source_uid);
  }
  return Ok{};
}

}  // namespace sluice::op
