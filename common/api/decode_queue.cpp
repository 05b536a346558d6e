#include <nlohmann/json.hpp>

#include "common/api/decode_spec.h"
#include "common/api/decode_worker.h"
#include "common/api/limits.h"

namespace sluice::api {
namespace {

using nlohmann::json;

Scaling read_scaling(FieldReader& reader) {
  Scaling scaling;
  reader.whole("minReplicas", {0, kReplicasMax}, scaling.min_replicas);
  reader.whole("maxReplicas", {0, kReplicasMax}, scaling.max_replicas);
  reader.whole("backlogPerWorker", {1, kBacklogPerWorkerMax}, scaling.backlog_per_worker);
  reader.whole("drainSeconds", {1, kDaySeconds}, scaling.drain_seconds);
  reader.whole("idleSeconds", {0, kDaySeconds}, scaling.idle_seconds);
  if (auto up = reader.object("scaleUp")) {
    up->whole("maxPods", {1, kReplicasMax}, scaling.scale_up.max_pods);
    up->whole("periodSeconds", {1, kHourSeconds}, scaling.scale_up.period_seconds);
    up->finish();
  }
  if (auto down = reader.object("scaleDown")) {
    down->whole("stabilizationSeconds", {0, kDaySeconds}, scaling.scale_down_stabilization_seconds);
    down->finish();
  }
  if (scaling.min_replicas > scaling.max_replicas) {
    reader.error("minReplicas", "must not be more than maxReplicas (" +
                                    std::to_string(scaling.max_replicas) + ")");
  }
  reader.finish();
  return scaling;
}

DeadLetter read_dead_letter(FieldReader& reader) {
  DeadLetter dead;
  reader.whole("retentionSeconds", {1, kYearSeconds}, dead.retention_seconds);
  reader.whole("maxJobs", {1, kDeadJobsMax}, dead.max_jobs);
  reader.finish();
  return dead;
}

RateLimit read_rate_limit(FieldReader& reader) {
  RateLimit rate;
  reader.require("limit");
  reader.whole("limit", {1, kRateLimitMax}, rate.limit);
  reader.whole("periodSeconds", {1, kDaySeconds}, rate.period_seconds);
  rate.burst = rate.limit;
  reader.whole("burst", {1, kRateLimitMax}, rate.burst);
  reader.finish();
  return rate;
}

ConcurrencyLimit read_concurrency_limit(FieldReader& reader) {
  ConcurrencyLimit limit;
  reader.whole("max", {1, kRunningJobsMax}, limit.max);
  reader.whole("perKey", {1, kRunningJobsMax}, limit.per_key);
  if (!reader.has("max") && !reader.has("perKey")) {
    reader.error_at(reader.path(), "must have max, perKey or both");
  }
  reader.finish();
  return limit;
}

void read_fairness(FieldReader& reader, std::map<std::string, int>& weights) {
  reader.each_member(
      "weights", {0, kFairnessTenantsMax}, kTenantCharactersMax,
      [&](const std::string& tenant, const json& value, const std::string& path) {
        if (const auto weight = reader.whole_at(value, path, {1, kFairnessWeightMax})) {
          weights[tenant] = static_cast<int>(*weight);
        }
      });
  reader.finish();
}

CircuitBreaker read_circuit_breaker(FieldReader& reader) {
  CircuitBreaker breaker;
  reader.whole("failurePercent", {1, 100}, breaker.failure_percent);
  reader.whole("minimumJobs", {1, kBreakerJobsMax}, breaker.minimum_jobs);
  reader.whole("windowSeconds", {1, kHourSeconds}, breaker.window_seconds);
  reader.whole("openSeconds", {1, kDaySeconds}, breaker.open_seconds);
  reader.finish();
  return breaker;
}

PressureThreshold read_threshold(FieldReader& reader) {
  PressureThreshold threshold;
  reader.whole("backlog", {1, kBacklogMax}, threshold.backlog);
  reader.whole("oldestSeconds", {1, kYearSeconds}, threshold.oldest_seconds);
  reader.whole("bytes", {1, kBacklogBytesMax}, threshold.bytes);
  reader.finish();
  return threshold;
}

Backpressure read_backpressure(FieldReader& reader) {
  Backpressure pressure;
  std::optional<FieldReader> throttle = reader.object("throttle");
  if (throttle) pressure.throttle = read_threshold(*throttle);
  if (auto reject = reader.object("reject")) pressure.reject = read_threshold(*reject);
  reader.whole("resumePercent", {1, 100}, pressure.resume_percent);

  const auto check = [&](std::string_view name, const std::optional<std::int64_t>& soft,
                         const std::optional<std::int64_t>& hard) {
    if (!soft || !hard || *soft <= *hard) return;
    throttle->error(name, "must not be more than reject." + std::string(name) + " (" +
                              std::to_string(*hard) + ")");
  };
  check("backlog", pressure.throttle.backlog, pressure.reject.backlog);
  check("oldestSeconds", pressure.throttle.oldest_seconds, pressure.reject.oldest_seconds);
  check("bytes", pressure.throttle.bytes, pressure.reject.bytes);
  reader.finish();
  return pressure;
}

void read_times(FieldReader& reader, QueueSpec& spec) {
  reader.whole("timeoutSeconds", {1, kTimeoutSecondsMax}, spec.timeout_seconds);
  reader.whole("leaseSeconds", {1, kHourSeconds}, spec.lease_seconds);
  reader.whole("idempotencySeconds", {1, kYearSeconds}, spec.idempotency_seconds);
  reader.whole("resultTTLSeconds", {0, kYearSeconds}, spec.result_ttl_seconds);
  reader.whole("agingSeconds", {0, kDaySeconds}, spec.aging_seconds);
}

void read_limits(FieldReader& reader, QueueSpec& spec) {
  if (auto dead = reader.object("deadLetter")) spec.dead_letter = read_dead_letter(*dead);
  if (auto rate = reader.object("rateLimit")) spec.rate_limit = read_rate_limit(*rate);
  if (auto limit = reader.object("concurrencyLimit")) {
    spec.concurrency_limit = read_concurrency_limit(*limit);
  }
  if (auto fairness = reader.object("fairness")) read_fairness(*fairness, spec.fairness_weights);
  if (auto breaker = reader.object("circuitBreaker")) {
    spec.circuit_breaker = read_circuit_breaker(*breaker);
  }
  if (auto pressure = reader.object("backpressure")) {
    spec.backpressure = read_backpressure(*pressure);
  }
  if (auto payload = reader.object("payload")) {
    payload->whole("maxBytes", {1, kPayloadBytesMax}, spec.payload.max_bytes);
    payload->whole("maxResultBytes", {1, kPayloadBytesMax}, spec.payload.max_result_bytes);
    payload->finish();
  }
}

}  // namespace

QueueSpec read_queue_spec(FieldReader& reader, Sender sender) {
  QueueSpec spec;
  if (auto worker = reader.object("worker")) spec.worker = read_worker_spec(*worker);
  reader.whole("replicas", {0, kReplicasMax}, spec.replicas);
  if (auto scaling = reader.object("scaling")) {
    spec.scaling = read_scaling(*scaling);
    spec.scaling_set = true;
    if (spec.worker && !scaling->has("backlogPerWorker") && !scaling->has("drainSeconds")) {
      scaling->error_at(scaling->path(), "must have backlogPerWorker, drainSeconds or both");
    }
  } else if (spec.worker) {
    reader.error("scaling", "is required with a worker");
  }
  if (auto retry = reader.object("retry")) spec.retry = read_retry_policy(*retry);
  read_times(reader, spec);
  read_limits(reader, spec);
  if (auto pause = reader.object("pause")) {
    pause->flag("enqueue", spec.pause.enqueue);
    pause->flag("dispatch", spec.pause.dispatch);
    pause->finish();
  }
  reader.choice("deletionPolicy", {DeletionPolicy::kRetain, DeletionPolicy::kPurge},
                spec.deletion_policy);
  if (sender == Sender::kOperator) {
    reader.whole("dueSoonSeconds", {0, kDaySeconds}, spec.due_soon_seconds);
  }
  reader.finish();
  return spec;
}

}  // namespace sluice::api
