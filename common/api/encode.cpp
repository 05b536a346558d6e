// Specs as JSON text: what differs from the defaults, members in a fixed order.
#include <nlohmann/json.hpp>
#include <utility>

#include "common/api/decode.h"
#include "common/api/json_text.h"
#include "common/base/check.h"

namespace sluice::api {
namespace {

using nlohmann::json;

template <typename T>
void put(json& object, const char* name, const T& value, const T& default_value) {
  if (value != default_value) object[name] = value;
}

template <typename T>
void put(json& object, const char* name, const std::optional<T>& value) {
  if (value) object[name] = *value;
}

template <typename E>
void put_choice(json& object, const char* name, E value, E default_value) {
  if (value != default_value) object[name] = to_string(value);
}

void put_object(json& object, const char* name, json&& value) {
  if (!value.empty()) object[name] = std::move(value);
}

void put_time(json& object, const char* name, const std::optional<TimePoint>& time) {
  if (time) object[name] = format_rfc3339(*time);
}

json to_json(const RetryRule& rule) {
  json object = json::object();
  put(object, "exitCodes", rule.exit_codes, {});
  put(object, "httpStatuses", rule.http_statuses, {});
  put(object, "reasons", rule.reasons, {});
  object["action"] = to_string(rule.action);
  return object;
}

json to_json(const RetryPolicy& policy) {
  const RetryPolicy defaults;
  json object = json::object();
  put(object, "maxAttempts", policy.max_attempts, defaults.max_attempts);
  put(object, "maxLeaseLosses", policy.max_lease_losses, defaults.max_lease_losses);
  json backoff = json::object();
  put(backoff, "initialSeconds", policy.backoff.initial_seconds, defaults.backoff.initial_seconds);
  put(backoff, "multiplier", policy.backoff.multiplier, defaults.backoff.multiplier);
  put(backoff, "maxSeconds", policy.backoff.max_seconds, defaults.backoff.max_seconds);
  put_object(object, "backoff", std::move(backoff));
  for (const RetryRule& rule : policy.rules) object["rules"].push_back(to_json(rule));
  return object;
}

json to_json(const std::variant<ExecHandler, HttpHandler>& handler) {
  json object = json::object();
  if (const auto* const exec = std::get_if<ExecHandler>(&handler)) {
    object["exec"]["command"] = exec->command;
    return object;
  }
  const auto& http = std::get<HttpHandler>(handler);
  object["http"]["port"] = http.port;
  put(object["http"], "path", http.path, HttpHandler{}.path);
  put_choice(object["http"], "body", http.body, HttpHandler{}.body);
  return object;
}

void put_int_or_percent(json& object, const char* name, const IntOrPercent& value) {
  if (value == IntOrPercent{}) return;
  if (value.percent) {
    object[name] = std::to_string(value.value) + "%";
  } else {
    object[name] = value.value;
  }
}

json to_json(const WorkerSpec& worker) {
  const WorkerSpec defaults;
  json object = json::object();
  object["handler"] = to_json(worker.handler);
  put(object, "concurrency", worker.concurrency, defaults.concurrency);
  put(object, "maxJobsPerPod", worker.max_jobs_per_pod, defaults.max_jobs_per_pod);
  if (worker.template_json) {
    object["template"] = json::parse(*worker.template_json, nullptr, /*allow_exceptions=*/false);
    CHECK(object["template"].is_object());
  }
  json rollout = json::object();
  put_int_or_percent(rollout, "maxUnavailable", worker.rollout.max_unavailable);
  put_int_or_percent(rollout, "maxSurge", worker.rollout.max_surge);
  put(rollout, "progressDeadlineSeconds", worker.rollout.progress_deadline_seconds,
      defaults.rollout.progress_deadline_seconds);
  put_object(object, "rollout", std::move(rollout));
  return object;
}

json to_json(const Scaling& scaling) {
  const Scaling defaults;
  json object = json::object();
  put(object, "minReplicas", scaling.min_replicas, defaults.min_replicas);
  put(object, "maxReplicas", scaling.max_replicas, defaults.max_replicas);
  put(object, "backlogPerWorker", scaling.backlog_per_worker);
  put(object, "drainSeconds", scaling.drain_seconds);
  put(object, "idleSeconds", scaling.idle_seconds, defaults.idle_seconds);
  json up = json::object();
  put(up, "maxPods", scaling.scale_up.max_pods, defaults.scale_up.max_pods);
  put(up, "periodSeconds", scaling.scale_up.period_seconds, defaults.scale_up.period_seconds);
  put_object(object, "scaleUp", std::move(up));
  json down = json::object();
  put(down, "stabilizationSeconds", scaling.scale_down_stabilization_seconds,
      defaults.scale_down_stabilization_seconds);
  put_object(object, "scaleDown", std::move(down));
  return object;
}

json to_json(const RateLimit& rate) {
  json object{{"limit", rate.limit}};
  put(object, "periodSeconds", rate.period_seconds, RateLimit{}.period_seconds);
  put(object, "burst", rate.burst, rate.limit);
  return object;
}

json to_json(const ConcurrencyLimit& limit) {
  json object = json::object();
  put(object, "max", limit.max);
  put(object, "perKey", limit.per_key);
  return object;
}

json to_json(const CircuitBreaker& breaker) {
  const CircuitBreaker defaults;
  json object = json::object();
  put(object, "failurePercent", breaker.failure_percent, defaults.failure_percent);
  put(object, "minimumJobs", breaker.minimum_jobs, defaults.minimum_jobs);
  put(object, "windowSeconds", breaker.window_seconds, defaults.window_seconds);
  put(object, "openSeconds", breaker.open_seconds, defaults.open_seconds);
  return object;
}

json to_json(const PressureThreshold& threshold) {
  json object = json::object();
  put(object, "backlog", threshold.backlog);
  put(object, "oldestSeconds", threshold.oldest_seconds);
  put(object, "bytes", threshold.bytes);
  return object;
}

json to_json(const Backpressure& pressure) {
  json object = json::object();
  put_object(object, "throttle", to_json(pressure.throttle));
  put_object(object, "reject", to_json(pressure.reject));
  put(object, "resumePercent", pressure.resume_percent, Backpressure{}.resume_percent);
  return object;
}

void put_limits(json& object, const QueueSpec& spec, const QueueSpec& defaults) {
  json dead = json::object();
  put(dead, "retentionSeconds", spec.dead_letter.retention_seconds,
      defaults.dead_letter.retention_seconds);
  put(dead, "maxJobs", spec.dead_letter.max_jobs, defaults.dead_letter.max_jobs);
  put_object(object, "deadLetter", std::move(dead));

  // These four are on by being there at all, so they stay even when nothing differs.
  if (spec.rate_limit) object["rateLimit"] = to_json(*spec.rate_limit);
  if (spec.concurrency_limit) object["concurrencyLimit"] = to_json(*spec.concurrency_limit);
  if (spec.circuit_breaker) object["circuitBreaker"] = to_json(*spec.circuit_breaker);
  if (spec.backpressure) object["backpressure"] = to_json(*spec.backpressure);

  if (!spec.fairness_weights.empty()) object["fairness"]["weights"] = spec.fairness_weights;
  json payload = json::object();
  put(payload, "maxBytes", spec.payload.max_bytes, defaults.payload.max_bytes);
  put(payload, "maxResultBytes", spec.payload.max_result_bytes, defaults.payload.max_result_bytes);
  put_object(object, "payload", std::move(payload));
}

json to_json(const Callback& callback) {
  json object{{"url", callback.url}};
  put(object, "secretName", callback.secret_name, {});
  return object;
}

}  // namespace

std::string encode(const RetryPolicy& policy) {
  return dump(to_json(policy));
}

std::string encode(const QueueSpec& spec) {
  const QueueSpec defaults;
  json object = json::object();
  if (spec.worker) object["worker"] = to_json(*spec.worker);
  put(object, "replicas", spec.replicas);
  if (spec.scaling_set) object["scaling"] = to_json(spec.scaling);
  put_object(object, "retry", to_json(spec.retry));
  put(object, "timeoutSeconds", spec.timeout_seconds, defaults.timeout_seconds);
  put(object, "leaseSeconds", spec.lease_seconds, defaults.lease_seconds);
  put(object, "idempotencySeconds", spec.idempotency_seconds, defaults.idempotency_seconds);
  put(object, "resultTTLSeconds", spec.result_ttl_seconds, defaults.result_ttl_seconds);
  put(object, "agingSeconds", spec.aging_seconds, defaults.aging_seconds);
  put_limits(object, spec, defaults);
  json pause = json::object();
  put(pause, "enqueue", spec.pause.enqueue, false);
  put(pause, "dispatch", spec.pause.dispatch, false);
  put_object(object, "pause", std::move(pause));
  put_choice(object, "deletionPolicy", spec.deletion_policy, defaults.deletion_policy);
  put(object, "dueSoonSeconds", spec.due_soon_seconds, defaults.due_soon_seconds);
  return dump(object);
}

std::string encode(const JobSpec& spec) {
  const JobSpec defaults;
  json object = json::object();
  object["queue"] = spec.queue;
  put(object, "priority", spec.priority, defaults.priority);
  put(object, "delaySeconds", spec.delay_seconds);
  put_time(object, "runAt", spec.run_at);
  put_time(object, "expiresAt", spec.expires_at);
  put(object, "tenant", spec.tenant, {});
  put(object, "key", spec.key, {});
  put(object, "labels", spec.labels, {});
  put(object, "idempotencyKey", spec.idempotency_key, {});
  put(object, "dependsOn", spec.depends_on, {});
  put_choice(object, "onParentFailure", spec.on_parent_failure, defaults.on_parent_failure);
  if (spec.retry) object["retry"] = to_json(*spec.retry);
  put(object, "timeoutSeconds", spec.timeout_seconds);
  put(object, "ttlSecondsAfterFinished", spec.ttl_seconds_after_finished);
  if (spec.callback) object["callback"] = to_json(*spec.callback);
  put(object, "suspend", spec.suspend, false);
  return with_member(dump(object), "payload", spec.payload_json);
}

std::string encode(const ScheduleSpec& spec) {
  const ScheduleSpec defaults;
  json object = json::object();
  object["schedule"] = spec.schedule;
  put(object, "timeZone", spec.time_zone, defaults.time_zone);
  put_choice(object, "concurrencyPolicy", spec.concurrency_policy, defaults.concurrency_policy);
  put(object, "startingDeadlineSeconds", spec.starting_deadline_seconds,
      defaults.starting_deadline_seconds);
  json catch_up = json::object();
  put_choice(catch_up, "policy", spec.catch_up.policy, defaults.catch_up.policy);
  put(catch_up, "max", spec.catch_up.max, defaults.catch_up.max);
  put_object(object, "catchUp", std::move(catch_up));
  put(object, "jitterSeconds", spec.jitter_seconds, defaults.jitter_seconds);
  put(object, "prewarmSeconds", spec.prewarm_seconds, defaults.prewarm_seconds);
  put(object, "suspend", spec.suspend, false);
  put(object, "historyLimit", spec.history_limit, defaults.history_limit);
  const std::string job_template = with_member("{}", "spec", encode(spec.job_template));
  return with_member(dump(object), "jobTemplate", job_template);
}

}  // namespace sluice::api
