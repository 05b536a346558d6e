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
  std::optional<api::Callback> callback;
  std::optional<Uuid> group;  // one that was begun
  std::string unique_key;     // empty: none
  bool replace = false;       // with a unique_key: the job that waits under it makes way
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
  bool repeated = false;               // the key, id or tick was known: nothing was written
  bool skipped = false;                // the tick made no job, or none that is known any more
  std::optional<JobId> replaced = {};  // the job that waited under the unique key
  bool stale = false;  // a parent has ended since the lookup: nothing was done, look again
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
    std::optional<ToldProgress> progress;
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

}  // namespace sluice::broker
