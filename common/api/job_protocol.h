// What workers, producers, the operator and the broker say to each other about jobs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::api {

enum class JobState { kBlocked, kScheduled, kReady, kRunning, kSucceeded, kDead, kCancelled };

std::string_view to_string(JobState state);  // "Ready"
std::optional<JobState> parse_job_state(std::string_view text);

// Succeeded, Dead and Cancelled.
bool has_ended(JobState state);

enum class Outcome { kSucceeded, kFailed, kReleased };

std::string_view to_string(Outcome outcome);
std::optional<Outcome> parse_outcome(std::string_view text);

// Why a run failed. `reason` is one CamelCase word: ExitCode, Signal, OOMKilled, Timeout,
// ResultTooLarge, BadFollowUp, LeaseLost, Expired, HttpStatus… (docs/errors.md).
struct RunError {
  std::string reason;
  std::string message;
  std::optional<int> exit_code;
  std::optional<int> http_status;
  bool retry_never = false;
};

// A job as its claimer gets it.
struct ClaimedJob {
  std::string id;
  std::string lease;  // opaque
  int attempt = 1;
  std::string payload;              // JSON text, the producer's bytes
  std::string parents_json = "{}";  // JSON text {id: result} of the jobs it depends on, as settled
  int lease_seconds = 30;
  int timeout_seconds = 300;
  std::string deadline;  // RFC 3339
  std::string traceparent;
};

struct ClaimReply {
  std::vector<ClaimedJob> jobs;
  bool drain = false;
};

struct Progress {
  double ratio = 0;  // 0-1
  std::string message;
};

struct LeaseReport {
  std::string id;
  std::string lease;
  std::optional<Progress> progress;
};

struct ExtendRequest {
  std::string worker;
  std::string instance;
  std::vector<LeaseReport> leases;
  bool draining = false;
  int holding = 0;
};

enum class LeaseStatus { kOk, kLost, kCancelled };

struct ExtendReply {
  struct Lease {
    std::string id;
    LeaseStatus status = LeaseStatus::kOk;
  };
  std::vector<Lease> leases;
  bool drain = false;
};

struct Settlement {
  std::string id;
  std::string lease;
  Outcome outcome = Outcome::kSucceeded;
  std::string result_json;              // JSON text; empty is none
  std::vector<std::string> follow_ups;  // JSON texts, jobs to enqueue; only with kSucceeded
  std::optional<RunError> error;
  std::optional<int> retry_after_seconds;
};

struct SettleReply {
  struct One {
    std::string id;
    int status = 200;     // 200 is ok; otherwise the problem's status
    std::string problem;  // its detail
    std::string field;    // what it is about: "result", "enqueue[2].payload"
  };
  std::vector<One> results;
};

// JSON text of requests and from replies (nlohmann inside). Unknown members of replies are ignored.
std::string encode_claim_request(std::string_view worker, std::string_view instance, int max,
                                 int wait_seconds);
std::string encode(const ExtendRequest& request);
std::string encode_settle_request(std::string_view worker,
                                  const std::vector<Settlement>& settlements);
Result<ClaimReply> decode_claim_reply(std::string_view json);
Result<ExtendReply> decode_extend_reply(std::string_view json);
Result<SettleReply> decode_settle_reply(std::string_view json);

// What a queue's load asks of its producers (`backpressure`).
enum class Pressure { kNone, kThrottle, kReject };

std::string_view to_string(Pressure pressure);  // "None"
std::optional<Pressure> parse_pressure(std::string_view text);

// Whether a queue's circuit breaker lets jobs start: all, none, or a few probes.
enum class CircuitState { kClosed, kOpen, kHalfOpen };

std::string_view to_string(CircuitState state);  // "Closed"
std::optional<CircuitState> parse_circuit_state(std::string_view text);

// A queue's figures, as figures and signals carry them. Rates are exponential averages over 60 s.
struct QueueFigures {
  std::int64_t backlog = 0;
  std::int64_t ready = 0;
  std::int64_t dispatchable = 0;
  std::int64_t scheduled = 0;
  std::int64_t due_soon = 0;
  std::int64_t blocked = 0;
  std::int64_t running = 0;
  std::int64_t dead = 0;
  std::optional<TimePoint> oldest_ready_time;
  std::int64_t bytes = 0;
  Pressure pressure = Pressure::kNone;
  double enqueued_per_second = 0;
  double ready_per_second = 0;
  double started_per_second = 0;
  double succeeded_per_second = 0;
  double failed_per_second = 0;
  double mean_slot_seconds = 0;  // 0: nothing finished in the last 10 minutes
  double wait_estimate_seconds = 0;
  double running_elapsed_seconds = 0;  // sum over running jobs, now
  std::int64_t finished_recently = 0;  // runs in mean_slot_seconds
  bool paused_enqueue = false;
  bool paused_dispatch = false;
  CircuitState circuit = CircuitState::kClosed;
  std::optional<double> throttled_per_second;  // starts, while handlers answer 429 or 503
};

struct WorkerFigures {
  std::string name;
  std::string instance;
  std::int64_t running = 0;  // live leases, as the broker sees it
  bool drain_requested = false;
  bool draining = false;  // as the worker itself reports
  std::int64_t holding = 0;
  std::optional<TimePoint> seen_at;
};

struct QueueSignal {
  std::string namespace_name;
  std::string queue;
  QueueFigures figures;
  std::vector<WorkerFigures> workers;
};

// "figures" and "workers" of `GET …/queues/{queue}` and of a line of `GET /v1/signals`.
Result<QueueSignal> decode_queue_signal(std::string_view json);
std::string encode(const QueueFigures& figures);                // the JSON object
std::string encode(const std::vector<WorkerFigures>& workers);  // the JSON array

// RFC 9457.
struct Problem {
  std::string type;  // "https://sluice.dev/errors#queue-full"
  std::string title;
  int status = 500;
  std::string detail;
  std::string field;
  std::optional<int> retry_after_seconds;
};

std::string encode(const Problem& problem);
Result<Problem> decode_problem(std::string_view json);

// The status and problem an Error is answered with, and the other way round (docs/errors.md).
int http_status(ErrorCode code);
Problem to_problem(const Error& error);
Error to_error(const Problem& problem);

}  // namespace sluice::api
