// Queue, Job and Schedule as people declare them: the fields, defaults and bounds of the resource
// contract (docs/api.md). Plain data; decode.h reads and checks it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/clock.h"

namespace sluice::api {

inline constexpr const char* kGroupVersion = "sluice.dev/v1alpha1";

using Labels = std::map<std::string, std::string>;

struct ObjectMeta {
  std::string name;
  std::string namespace_name;  // empty in a manifest that leaves it out
  Labels labels;
  Labels annotations;
};

// --- retry -----------------------------------------------------------------------------------

enum class RetryAction { kRetry, kDead, kIgnore };

// Matches when the run's exit code, HTTP status or reason is in the one list that is set.
struct RetryRule {
  std::vector<int> exit_codes;
  std::vector<int> http_statuses;
  std::vector<std::string> reasons;
  RetryAction action = RetryAction::kRetry;
  friend bool operator==(const RetryRule&, const RetryRule&) = default;
};

struct Backoff {
  int initial_seconds = 1;
  int multiplier = 2;
  int max_seconds = 600;
  friend bool operator==(const Backoff&, const Backoff&) = default;
};

struct RetryPolicy {
  int max_attempts = 5;
  int max_lease_losses = 5;
  Backoff backoff;
  std::vector<RetryRule> rules;  // first match wins
  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

// --- Queue -----------------------------------------------------------------------------------

struct ExecHandler {
  std::vector<std::string> command;  // 1-64 items
  friend bool operator==(const ExecHandler&, const ExecHandler&) = default;
};

// What is posted to a server for a job.
enum class HttpBody { kPayload, kPayloadAndParents };

struct HttpHandler {
  int port = 0;
  std::string path = "/";
  HttpBody body = HttpBody::kPayload;
  friend bool operator==(const HttpHandler&, const HttpHandler&) = default;
};

// A whole number or a percentage, as Kubernetes' IntOrString.
struct IntOrPercent {
  int value = 25;
  bool percent = true;
  friend bool operator==(const IntOrPercent&, const IntOrPercent&) = default;
};

struct Rollout {
  IntOrPercent max_unavailable;
  IntOrPercent max_surge;
  int progress_deadline_seconds = 600;
  friend bool operator==(const Rollout&, const Rollout&) = default;
};

struct WorkerSpec {
  std::variant<ExecHandler, HttpHandler> handler;
  int concurrency = 1;                       // jobs at once in a pod
  int max_jobs_per_pod = 0;                  // 0: no limit
  std::optional<std::string> template_json;  // the pod template, JSON text kept as it is
  Rollout rollout;
  friend bool operator==(const WorkerSpec&, const WorkerSpec&) = default;
};

struct ScaleUp {
  int max_pods = 10;
  int period_seconds = 5;
  friend bool operator==(const ScaleUp&, const ScaleUp&) = default;
};

struct Scaling {
  int min_replicas = 0;
  int max_replicas = 10;
  std::optional<int> backlog_per_worker;
  std::optional<int> drain_seconds;
  int idle_seconds = 30;
  ScaleUp scale_up;
  int scale_down_stabilization_seconds = 60;
  friend bool operator==(const Scaling&, const Scaling&) = default;
};

struct DeadLetter {
  int retention_seconds = 14 * 24 * 3600;
  int max_jobs = 100'000;
  friend bool operator==(const DeadLetter&, const DeadLetter&) = default;
};

struct RateLimit {
  int limit = 0;
  int period_seconds = 1;
  int burst = 0;  // defaults to limit
  friend bool operator==(const RateLimit&, const RateLimit&) = default;
};

struct ConcurrencyLimit {
  std::optional<int> max;
  std::optional<int> per_key;
  friend bool operator==(const ConcurrencyLimit&, const ConcurrencyLimit&) = default;
};

struct CircuitBreaker {
  int failure_percent = 50;
  int minimum_jobs = 20;
  int window_seconds = 60;
  int open_seconds = 30;
  friend bool operator==(const CircuitBreaker&, const CircuitBreaker&) = default;
};

struct PressureThreshold {
  std::optional<std::int64_t> backlog;
  std::optional<std::int64_t> oldest_seconds;
  std::optional<std::int64_t> bytes;
  friend bool operator==(const PressureThreshold&, const PressureThreshold&) = default;
};

struct Backpressure {
  PressureThreshold throttle;
  PressureThreshold reject;
  int resume_percent = 80;
  friend bool operator==(const Backpressure&, const Backpressure&) = default;
};

struct PayloadLimits {
  std::int64_t max_bytes = 256 * 1024;
  std::int64_t max_result_bytes = 64 * 1024;
  friend bool operator==(const PayloadLimits&, const PayloadLimits&) = default;
};

struct Pause {
  bool enqueue = false;
  bool dispatch = false;
  friend bool operator==(const Pause&, const Pause&) = default;
};

enum class DeletionPolicy { kRetain, kPurge };

struct QueueSpec {
  std::optional<WorkerSpec> worker;  // absent: external workers only
  std::optional<int> replicas;       // the /scale field
  Scaling scaling;
  bool scaling_set = false;  // whether the manifest has `scaling` at all
  RetryPolicy retry;
  int timeout_seconds = 300;
  int lease_seconds = 30;
  int idempotency_seconds = 86'400;
  int result_ttl_seconds = 3'600;
  int aging_seconds = 60;
  DeadLetter dead_letter;
  std::optional<RateLimit> rate_limit;
  std::optional<ConcurrencyLimit> concurrency_limit;
  std::map<std::string, int> fairness_weights;
  std::optional<CircuitBreaker> circuit_breaker;
  std::optional<Backpressure> backpressure;
  PayloadLimits payload;
  Pause pause;
  DeletionPolicy deletion_policy = DeletionPolicy::kRetain;
  int due_soon_seconds = 0;  // only from the operator, over HTTP
  friend bool operator==(const QueueSpec&, const QueueSpec&) = default;
};

// --- Job -------------------------------------------------------------------------------------

enum class ParentFailure { kDead, kRun };

struct Callback {
  std::string url;
  std::string secret_name;
  friend bool operator==(const Callback&, const Callback&) = default;
};

struct JobSpec {
  std::string queue;
  std::string payload_json = "null";  // JSON text
  int priority = 5;                   // 0-9, higher first
  std::optional<int> delay_seconds;
  std::optional<TimePoint> run_at;
  std::optional<TimePoint> expires_at;
  std::string tenant;
  std::string key;
  Labels labels;
  std::string idempotency_key;
  std::vector<std::string> depends_on;  // Job names
  ParentFailure on_parent_failure = ParentFailure::kDead;
  std::optional<RetryPolicy> retry;
  std::optional<int> timeout_seconds;
  std::optional<int> ttl_seconds_after_finished;
  std::optional<Callback> callback;
  bool suspend = false;
  friend bool operator==(const JobSpec&, const JobSpec&) = default;
};

// --- Schedule --------------------------------------------------------------------------------

enum class ConcurrencyPolicy { kAllow, kForbid, kReplace, kEnqueue };
enum class CatchUpPolicy { kLast, kAll, kNone };

struct CatchUp {
  CatchUpPolicy policy = CatchUpPolicy::kLast;
  int max = 5;
  friend bool operator==(const CatchUp&, const CatchUp&) = default;
};

struct ScheduleSpec {
  std::string schedule;           // five fields or @hourly…; checked by operator/plan/cron.h
  std::string time_zone = "UTC";  // IANA name
  ConcurrencyPolicy concurrency_policy = ConcurrencyPolicy::kAllow;
  int starting_deadline_seconds = 300;
  CatchUp catch_up;
  int jitter_seconds = 0;
  int prewarm_seconds = 0;
  bool suspend = false;
  int history_limit = 10;
  JobSpec job_template;  // without dependsOn
  friend bool operator==(const ScheduleSpec&, const ScheduleSpec&) = default;
};

// --- one manifest ----------------------------------------------------------------------------

enum class Kind { kQueue, kJob, kSchedule };

std::string_view to_string(Kind kind);                 // "Queue"
std::string_view to_string(ConcurrencyPolicy policy);  // "Allow"
std::string_view to_string(HttpBody body);             // "Payload"
std::string_view to_string(RetryAction action);        // "Retry"
std::string_view to_string(DeletionPolicy policy);
std::string_view to_string(CatchUpPolicy policy);
std::string_view to_string(ParentFailure policy);
std::optional<ConcurrencyPolicy> parse_concurrency_policy(std::string_view text);

struct Manifest {
  Kind kind = Kind::kQueue;
  ObjectMeta metadata;
  std::string spec_json;  // the spec as it was written, as JSON text (what the object store keeps)
  std::variant<QueueSpec, JobSpec, ScheduleSpec> spec;
  std::string file;
  int line = 0;  // of the document's first key
};

}  // namespace sluice::api
