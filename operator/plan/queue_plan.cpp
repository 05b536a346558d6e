#include "operator/plan/queue_plan.h"

#include <algorithm>
#include <utility>

#include "common/api/decode.h"

namespace sluice::op {
namespace {

using std::chrono::seconds;

bool is_permanent(const Error& error) {
  return error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kTooLarge;
}

// Fills one QueuePlan: the configuration, then the pool, then what the conditions say of both.
class QueuePlanner {
 public:
  QueuePlanner(const QueueInput& input, TimePoint now) : input_(input), now_(now) {}

  QueuePlan plan() {
    out_.scaling_memory = input_.scaling_memory;
    out_.status.observed_generation = input_.generation;
    out_.status.selector = pod_selector(input_.name);
    if (input_.broker_reachable && input_.broker_queue) broker_ = &*input_.broker_queue;
    if (broker_ != nullptr) out_.status.figures = broker_->figures;
    if (input_.decode_error) {
      count_pods_only();
    } else {
      configure();
      run_pool();
    }
    add_ready();
    add_scaling();
    add_progress();
    add_workers_available();
    add_template_valid();
    add_pressure();
    add_circuit_closed();
    add_paused();
    out_.status.conditions =
        merge_conditions(input_.conditions_before, std::move(out_.status.conditions), now_);
    return std::move(out_);
  }

 private:
  void count_pods_only() {
    PoolInput pool{.queue = input_.name, .queue_uid = input_.uid, .pods = input_.pods};
    pool.desired = counted_pods(pool);
    const PoolPlan facts = plan_pool(pool, now_);
    out_.status.replicas = facts.replicas;
    out_.status.ready_replicas = facts.ready_replicas;
    out_.status.desired_replicas = input_.scaling_memory.replicas.value_or(pool.desired);
  }

  void configure() {
    api::QueueSpec spec = input_.spec;
    spec.replicas.reset();  // changes with the size, which is no matter of the broker's
    spec.due_soon_seconds = spec.worker ? spec.scaling.idle_seconds : 0;
    // Environment variables of a template may be secrets, and the broker has no use for them.
    if (spec.worker) spec.worker->template_json.reset();
    out_.spec_json = api::encode(spec);
    if (!input_.broker_reachable) return;
    if (input_.configure_error && is_permanent(*input_.configure_error)) return;
    out_.put_config = broker_ == nullptr || (!holds_newer() && !holds_this());
    if (out_.put_config && input_.configure_error) out_.requeue_after = seconds{1};
  }

  // A leader that came late never brings an old spec back.
  bool holds_newer() const {
    return !broker_->retained && broker_->uid == input_.uid &&
           broker_->generation > input_.generation;
  }
  bool holds_this() const {
    return !broker_->retained && broker_->uid == input_.uid &&
           broker_->generation == input_.generation && broker_->spec_json == out_.spec_json;
  }

  bool has_worker() const { return input_.spec.worker.has_value(); }

  void run_pool() {
    PoolInput pool{.queue = input_.name,
                   .queue_uid = input_.uid,
                   .lease_seconds = input_.spec.lease_seconds,
                   .pods = input_.pods,
                   .create_not_before = input_.create_not_before,
                   .create_error = input_.create_error,
                   .start_error = input_.start_error,
                   .is_failing_to_start = input_.is_failing_to_start,
                   .may_create = input_.template_check && input_.template_check->is_valid};
    if (broker_ != nullptr) pool.workers = broker_->workers;
    if (has_worker()) {
      pool.template_hash = template_hash(*input_.spec.worker);
      pool.injected_version = input_.injected_version;
      pool.rollout = input_.spec.worker->rollout;
      decision_ = scale(counted_pods(pool));
      pool.desired = decision_->replicas;
      out_.scaling_memory = decision_->memory;
      if (!input_.pinned && input_.spec.replicas != pool.desired) out_.set_replicas = pool.desired;
      out_.requeue_after = earlier_wait(out_.requeue_after, decision_->requeue_after);
    } else {
      out_.scaling_memory = {};
    }
    pool_ = plan_pool(pool, now_);
    out_.pool_actions = pool_->actions;
    out_.requeue_after = earlier_wait(out_.requeue_after, pool_->requeue_after);
    out_.status.replicas = pool_->replicas;
    out_.status.ready_replicas = pool_->ready_replicas;
    out_.status.desired_replicas = pool.desired;
  }

  ScalingDecision scale(int counted) const {
    const api::WorkerSpec& worker = *input_.spec.worker;
    ScalingInput scaling{.scaling = input_.spec.scaling,
                         .concurrency = worker.concurrency,
                         .max_jobs_per_pod = worker.max_jobs_per_pod,
                         .timeout_seconds = input_.spec.timeout_seconds,
                         .rate_limit = input_.spec.rate_limit,
                         .concurrency_limit = input_.spec.concurrency_limit,
                         .current = counted,
                         .pinned = input_.pinned};
    if (broker_ != nullptr) scaling.figures = broker_->figures;
    return decide_scale(scaling, input_.scaling_memory, now_);
  }

  void add(const char* type, const char* status, std::string reason, std::string message) {
    out_.status.conditions.push_back({.type = type,
                                      .status = status,
                                      .reason = std::move(reason),
                                      .message = std::move(message),
                                      .last_transition_time = now_,
                                      .observed_generation = input_.generation});
  }

  // SURVIVAL 16: what is not known is Unknown, and the invalid says what is wrong with it.
  void add_ready() {
    if (input_.decode_error) {
      return add("Ready", "False", "InvalidSpec", input_.decode_error->message);
    }
    if (!input_.broker_reachable) {
      return add("Ready", "Unknown", "BrokerUnavailable", "the broker cannot be reached");
    }
    if (broker_ != nullptr && holds_newer()) {
      return add("Ready", "Unknown", "NewerGeneration", "the broker holds a newer generation");
    }
    const bool pending = broker_ == nullptr || !holds_this();
    if (pending && input_.configure_error) {
      const bool conflict = input_.configure_error->code == ErrorCode::kConflict;
      const char* reason = is_permanent(*input_.configure_error) ? "ConfigurationRefused"
                           : conflict                            ? "ConfigurationConflict"
                                                                 : "ConfigurationFailed";
      return add("Ready", "False", reason, input_.configure_error->message);
    }
    if (pending) {
      return add("Ready", "False", "Configuring", "the broker does not hold this generation yet");
    }
    if (broker_->figures.paused_enqueue) {
      return add("Ready", "False", "EnqueuePaused", "enqueue is paused");
    }
    add("Ready", "True", "Configured", "");
  }

  void add_scaling() {
    if (input_.decode_error) {
      return add("Scaling", "Unknown", "InvalidSpec", "the size is held");
    }
    if (!decision_) {
      return add("Scaling", "False", "NoWorker", "no workers are run for this queue");
    }
    const char* status = decision_->reason == "Pinned"           ? "False"
                         : decision_->reason == "UnknownFigures" ? "Unknown"
                                                                 : "True";
    const std::string pinned = "spec.replicas belongs to " + input_.pinned_by + "; `sluice scale " +
                               input_.name + " auto` gives it back";
    add("Scaling", status, decision_->reason,
        decision_->reason == "Pinned" ? pinned : decision_->message);
  }

  void add_template_valid() {
    if (input_.decode_error) {
      return add("TemplateValid", "Unknown", "InvalidSpec", "the template was not looked at");
    }
    if (!input_.spec.worker) {
      return add("TemplateValid", "True", "NoWorker", "no workers are run for this queue");
    }
    if (!input_.template_check) {
      return add("TemplateValid", "Unknown", "NotChecked", "the template could not be checked yet");
    }
    const TemplateCheck& check = *input_.template_check;
    if (check.is_valid && grace_is_short()) {
      return add("TemplateValid", "True", "GraceShorterThanTimeout",
                 "timeoutSeconds exceeds terminationGracePeriodSeconds: a job that a disruption "
                 "interrupts may be handed back before it ends");
    }
    add("TemplateValid", check.is_valid ? "True" : "False", check.reason, check.message);
  }

  bool grace_is_short() const {
    return input_.grace_seconds && *input_.grace_seconds < input_.spec.timeout_seconds;
  }

  void add_progress() {
    if (!pool_) return add("Progressing", "Unknown", "InvalidSpec", "nothing is done");
    const bool stalled = pool_->progress_reason == "Stalled";
    add("Progressing", stalled ? "False" : "True", pool_->progress_reason, pool_->progress_message);
  }

  void add_workers_available() {
    if (out_.status.ready_replicas > 0) return add("WorkersAvailable", "True", "Ready", "");
    if (pool_ && !decision_) {
      return add("WorkersAvailable", "False", "NoWorker", "no workers are run for this queue");
    }
    if (out_.status.desired_replicas == 0) {
      return add("WorkersAvailable", "True", "NoneWanted", "there is no work");
    }
    add("WorkersAvailable", "False", "NoneReady", "no worker is ready");
  }

  void add_pressure() {
    if (broker_ == nullptr) {
      return add("Pressure", "Unknown", "BrokerUnavailable", "the broker's view is not known");
    }
    switch (broker_->figures.pressure) {
      case api::Pressure::kReject:
        return add("Pressure", "True", "Rejecting",
                   "the queue is full: enqueues are refused until it is below resumePercent of "
                   "backpressure.reject");
      case api::Pressure::kThrottle:
        return add("Pressure", "True", "Throttling", "producers are asked to slow down");
      case api::Pressure::kNone:
        break;
    }
    const bool is_limited = input_.spec.backpressure.has_value();
    add("Pressure", "False", is_limited ? "BelowThresholds" : "NotLimited", "");
  }

  void add_circuit_closed() {
    if (broker_ == nullptr) {
      return add("CircuitClosed", "Unknown", "BrokerUnavailable", "the broker's view is not known");
    }
    switch (broker_->figures.circuit) {
      case api::CircuitState::kOpen:
        return add("CircuitClosed", "False", "Open",
                   "too many runs failed: nothing starts for circuitBreaker.openSeconds");
      case api::CircuitState::kHalfOpen:
        return add("CircuitClosed", "False", "HalfOpen", "a few jobs are tried");
      case api::CircuitState::kClosed:
        break;
    }
    const bool is_watched = input_.spec.circuit_breaker.has_value();
    add("CircuitClosed", "True", is_watched ? "Closed" : "NoBreaker", "");
  }

  void add_paused() {
    if (broker_ == nullptr) {
      return add("Paused", "Unknown", "BrokerUnavailable", "the broker's view is not known");
    }
    const bool enqueue = broker_->figures.paused_enqueue;
    const bool dispatch = broker_->figures.paused_dispatch;
    if (enqueue && dispatch) return add("Paused", "True", "Paused", "enqueue and dispatch");
    if (enqueue) return add("Paused", "True", "EnqueuePaused", "");
    if (dispatch) return add("Paused", "True", "DispatchPaused", "");
    add("Paused", "False", "NotPaused", "");
  }

  const QueueInput& input_;
  TimePoint now_;
  QueuePlan out_;
  const BrokerQueue* broker_ = nullptr;  // null: none, or it cannot be asked
  std::optional<ScalingDecision> decision_;
  std::optional<PoolPlan> pool_;
};

}  // namespace

QueuePlan plan_queue(const QueueInput& input, TimePoint now) {
  return QueuePlanner(input, now).plan();
}

std::string pod_selector(const std::string& queue) {
  return "sluice.dev/queue=" + queue;
}

}  // namespace sluice::op
