#include "operator/controller/schedule_reconciler.h"

#include <algorithm>
#include <utility>

#include "common/api/decode.h"
#include "common/base/log.h"
#include "operator/controller/condition_events.h"
#include "operator/controller/enqueue_body.h"
#include "operator/controller/json_read.h"
#include "operator/controller/status_codec.h"

namespace sluice::op {
namespace {

bool says_the_same(const ScheduleStatus& a, const ScheduleStatus& b) {
  return !is_transition(a.conditions, b.conditions) &&
         a.last_schedule_time == b.last_schedule_time &&
         a.next_schedule_time == b.next_schedule_time && a.recent.size() == b.recent.size();
}

}  // namespace

ScheduleReconciler::ScheduleReconciler(const ReconcileContext& context) : context_(context) {}

Result<ReconcileResult> ScheduleReconciler::reconcile(const ObjectKey& key) {
  const auto object = context_.cache.get(key);
  if (!object) {
    const std::lock_guard lock(mutex_);
    written_at_.erase(key);
    return ReconcileResult{};
  }

  auto gathered = gather(*object);
  if (!gathered) return gathered.error();
  SchedulePlan plan = plan_schedule(gathered->input, context_.clock.now().wall);
  if (const Status fired = fire(*gathered, plan); !fired) return fired.error();
  plan.status.running = gathered->running;
  const auto held_back = apply_status(*gathered, plan);
  if (!held_back) return held_back.error();
  return ReconcileResult{earlier_wait(plan.requeue_after, *held_back)};
}

Result<ScheduleReconciler::Gathered> ScheduleReconciler::gather(const Object& object) {
  Gathered gathered;
  gathered.object = object;
  ScheduleInput& input = gathered.input;
  input.namespace_name = object.key.namespace_name;
  input.name = object.key.name;
  input.uid = object.uid;
  input.generation = object.generation;
  input.created_at = object.created_at;
  KeptScheduleStatus kept = decode_schedule_status(object.status_json);
  input.last_trigger_token = std::move(kept.trigger_token);
  gathered.running = kept.status.running;
  input.status_before = std::move(kept.status);
  const auto trigger = object.annotations.find(kTriggerAnnotation);
  if (trigger != object.annotations.end()) input.trigger_token = trigger->second;

  auto spec = api::decode_schedule_spec(object.spec_json, api::UnknownMembers::kIgnore);
  if (!spec) {
    input.decode_error = spec.error();
    return gathered;
  }
  input.spec = *std::move(spec);
  const std::string& queue = input.spec->job_template.queue;
  gathered.queue = {input.namespace_name, queue};
  input.queue_exists = context_.cache.contains({ObjectKind::kQueue, input.namespace_name, queue});
  input.broker_reachable = context_.view.is_reachable();
  if (!input.broker_reachable || !input.queue_exists) return gathered;

  const auto known = context_.broker.schedule(gathered.queue, input.uid);
  if (!known && known.error().code != ErrorCode::kNotFound) return known.error();
  // Not found: the broker does not have the queue yet, so it cannot have fired.
  if (known) {
    input.last_tick = known->last_tick;
    input.last_tick_known = true;
    gathered.running = known->running;
  }
  return gathered;
}

Status ScheduleReconciler::fire(const Gathered& gathered, SchedulePlan& plan) {
  const ScheduleInput& input = gathered.input;
  for (const TimePoint tick : plan.fire) {
    const auto reply =
        context_.broker.enqueue(gathered.queue, tick_body(*input.spec, input.uid, tick));
    if (!reply) {
      log_warn("tick not enqueued", {{"schedule", input.name}, {"error", reply.error().message}});
      return reply.error();
    }
    record_tick(plan.status, {tick, reply->id, reply->skipped ? "Skipped" : "Enqueued"},
                input.spec->history_limit);
  }
  if (plan.trigger) {
    const auto reply = context_.broker.enqueue(
        gathered.queue, trigger_body(*input.spec, input.uid, input.trigger_token));
    if (!reply) return reply.error();
    record_tick(plan.status, {context_.clock.now().wall, reply->id, "Enqueued"},
                input.spec->history_limit);
    log_info("schedule triggered", {{"schedule", input.name}, {"job", reply->id}});
  }
  return Ok{};
}

Result<std::optional<Duration>> ScheduleReconciler::apply_status(const Gathered& gathered,
                                                                 const SchedulePlan& plan) {
  const ScheduleInput& input = gathered.input;
  const std::string& token = plan.trigger ? input.trigger_token : input.last_trigger_token;
  const std::string wanted = encode(plan.status, token);
  if (is_same_json(wanted, gathered.object.status_json)) return std::optional<Duration>();

  const SteadyPoint now = context_.clock.now().steady;
  if (!plan.trigger && says_the_same(input.status_before, plan.status)) {
    const std::lock_guard lock(mutex_);
    const auto it = written_at_.find(gathered.object.key);
    if (it != written_at_.end() && now - it->second < kStatusEvery) {
      return std::optional<Duration>(it->second + kStatusEvery - now);
    }
  }
  const auto written = write_status(context_, gathered.object, wanted);
  if (!written) return written.error();
  if (*written) {
    record_changes(context_.events, gathered.object, input.status_before.conditions,
                   plan.status.conditions);
    const std::lock_guard lock(mutex_);
    written_at_[gathered.object.key] = now;
  }
  return std::optional<Duration>();
}

}  // namespace sluice::op
