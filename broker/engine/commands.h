// What the engine is asked and what it answers: plain data between the server and the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/engine/parents.h"
#include "broker/engine/records.h"
#include "broker/engine/types.h"
#include "common/base/result.h"

namespace sluice::broker {

// --- enqueue ---------------------------------------------------------------------------------

struct IdempotencyKey {
  Hash128 key{};
  Hash128 content{};  // of the payload's bytes and all members but the key itself
};

struct ScheduleTick {
  std::string uid;
  TimePoint tick;
  api::ConcurrencyPolicy policy = api::ConcurrencyPolicy::kAllow;
};

// One job as its producer asked for it, checked member by member before it comes here.
struct NewJob {
  std::string payload;  // JSON text
  std::string traceparent;
  int priority = 5;
  std::optional<Duration> delay;  // at most one of delay and run_at
  std::optional<TimePoint> run_at;
  std::optional<TimePoint> expires_at;
  std::optional<IdempotencyKey> idempotency;
  std::optional<int> timeout_seconds;
  std::optional<int> ttl_seconds_after_finished;
  std::optional<api::RetryPolicy> retry;
  api::Labels labels;
  std::string tenant;  // empty: none
  std::string key;     // empty: none
  std::optional<Uuid> id;
  std::optional<JobSource> source;
  std::optional<ScheduleTick> schedule;
  std::vector<JobId> depends_on;  // each once
  api::ParentFailure on_parent_failure = api::ParentFailure::kDead;
};

// What the store held under a new job's key or given id, read before the command reached the
// engine; the engine knows what happened after `as_of`.
struct Lookup {
  BatchNumber as_of = 0;  // every batch up to here was visible to the reads
  struct Known {
    JobId id;
    Hash128 content{};
    std::optional<api::JobState> state = {};  // absent: its record is gone
  };
  std::optional<Known> by_key;  // still valid at the time of the read
  std::optional<Known> by_id;   // a finished job
  // Of the parents that Engine::unknown_parents() named; null: none was looked up.
  std::shared_ptr<const EndedParents> parents;
};

struct Enqueued {
  JobId id;
  std::optional<api::JobState> state = api::JobState::kReady;  // absent: its record is gone
  bool repeated = false;  // the key, id or tick was known: nothing was written
  bool skipped = false;   // the tick made no job, or none that is known any more
  bool stale = false;     // a parent has ended since the lookup: nothing was done, look again
};

// What a queue asks of its producers besides.
struct PressureView {
  api::Pressure level = api::Pressure::kNone;
  int retry_after_seconds = 0;  // 0: nothing is asked
};

// --- claim, extend, settle -------------------------------------------------------------------

struct ClaimRequest {
  QueueName queue;
  std::string worker;
  std::string instance;
  int max = 1;
};

struct GrantedParent {
  JobId id;
  std::optional<QueueNumber> queue;  // where its result is; absent: it has none
};

struct Granted {
  JobId id;
  int attempt = 1;  // attempts + 1
  int timeout_seconds = 300;
  TimePoint deadline;
  std::vector<GrantedParent> parents;
};

struct ClaimGrant {
  ClaimNumber claim{};
  QueueNumber queue{};
  int lease_seconds = 30;
  std::vector<Granted> jobs;  // empty: nothing to do now
  bool drain = false;         // take no more: finish and go
};

using WaiterId = std::uint64_t;

struct ExtendRequest {
  QueueName queue;
  std::string worker;
  std::string instance;
  struct Lease {
    JobId id;
    std::optional<ClaimNumber> claim;  // absent: not a token of ours, so lost
    std::optional<api::Progress> progress;
  };
  std::vector<Lease> leases;
  bool draining = false;
  int holding = 0;
};

struct ExtendReply {
  std::vector<api::LeaseStatus> statuses;  // one per lease asked for
  bool drain = false;
};

// A job that a settlement brings with it. It has no key: the settlement happens once.
struct FollowUp {
  QueueName queue;
  NewJob job;
};

struct SettleRequest {
  QueueName queue;
  JobId id;
  std::optional<ClaimNumber> claim;
  api::Outcome outcome = api::Outcome::kSucceeded;
  std::string result_json;
  std::optional<api::RunError> error;
  std::optional<int> retry_after_seconds;
  std::vector<FollowUp> follow_ups;  // with Succeeded alone
};

// --- queues, workers, jobs as people see them -------------------------------------------------

struct ConfigureRequest {
  QueueName queue;
  api::QueueSpec spec;
  std::optional<std::string> uid;
  std::optional<std::int64_t> generation;
};

enum class JobsPolicy { kRetain, kPurge };

struct DeleteQueueRequest {
  QueueName queue;
  std::optional<std::string> uid;
  std::optional<JobsPolicy> jobs;
};

enum class GoneCause { kDisruption, kCrash, kUnknown };

// A job for showing. Finished jobs come from the store; these are the living and the dead.
struct JobView {
  JobRecord record;  // extras is null: the copy below owns them
  JobExtras extras;
  api::JobState state = api::JobState::kReady;
  std::string worker;
  std::optional<TimePoint> started_at;
  std::optional<api::Progress> progress;
};

struct QueueView {
  QueueName name;
  QueueNumber number{};
  api::QueueSpec spec;
  std::string uid;
  std::int64_t generation = 0;
  bool retained = false;
  api::Pause paused;  // effective: the spec's or the override's
  api::Pause pause_override;
  api::QueueFigures figures;
  std::vector<api::WorkerFigures> workers;
};

struct DeadFilter {
  std::optional<std::vector<JobId>> ids;
  std::string reason;
  std::string tenant;
  std::string key;
  std::optional<TimePoint> died_before;
  std::optional<TimePoint> died_after;
  std::size_t max = 5'000;
};

struct OutcomeEntry {
  QueueNumber queue{};
  QueueName queue_name;
  JobId id;
  JobSource source;
  api::JobState state = api::JobState::kReady;
  std::optional<JobView> live;  // absent once Succeeded or Cancelled: read it from the store
};

struct OutcomePage {
  std::vector<OutcomeEntry> entries;
  std::string cursor;  // where the next call goes on
};

struct ScheduleView {
  std::optional<TimePoint> last_tick;
  std::vector<JobId> running;  // jobs of the schedule that have not ended
};

}  // namespace sluice::broker
