// What the engine asks the store to keep, and gets back at the next start.
//
// A record stands for the whole truth about its key: writing it replaces what was there. The store
// turns records into bytes (docs/storage-format.md) and makes no decisions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/engine/types.h"

namespace sluice::broker {

// A job that has not ended, or is Dead. Whether it runs is told by the claims: a claim that lists
// (id, run) holds the job while `runs` here is still below that run.
struct JobRecord {
  QueueNumber queue{};
  JobId id;
  api::JobState state = api::JobState::kReady;  // Blocked, Scheduled, Ready or Dead
  int priority = 5;
  std::uint32_t attempts = 0;
  std::uint32_t lease_losses = 0;
  std::uint32_t releases = 0;
  std::uint32_t ignored = 0;
  std::uint32_t runs = 0;    // runs that were claimed and have ended
  bool backing_off = false;  // Scheduled by a retry, not by its producer
  bool cancel_requested = false;
  bool acknowledged = false;  // Dead with a source: its outcome was mirrored
  std::uint32_t payload_bytes = 0;
  TimePoint created_at;
  TimePoint due_at;            // Scheduled: when it becomes Ready; otherwise when it became Ready
  std::int64_t order_key = 0;  // place among the ready jobs: smaller first (microseconds)
  std::optional<TimePoint> finished_at;  // Dead
  const JobExtras* extras = nullptr;     // borrowed for the call; null when there are none
};

// One claim call and the jobs it handed out.
struct ClaimRecord {
  struct Entry {
    JobId id;
    std::uint32_t run = 0;  // JobRecord.runs + 1 at the claim
    TimePoint deadline;     // of the handler, by the job's timeout
  };
  ClaimNumber number{};
  QueueNumber queue{};
  std::string worker;
  std::string instance;
  TimePoint claimed_at;
  std::vector<Entry> jobs;
};

// A job that Succeeded or was Cancelled, or was Dead and is let go while a child still needs it.
struct FinishedRecord {
  QueueNumber queue{};
  JobId id;
  api::JobState state = api::JobState::kSucceeded;
  int priority = 5;
  std::uint32_t attempts = 0;
  std::uint32_t lease_losses = 0;
  std::uint32_t releases = 0;
  TimePoint created_at;
  TimePoint due_at;
  TimePoint finished_at;
  TimePoint expires_at;  // from then on it is not found, and compaction drops it
  bool cancel_requested = false;
  std::string_view result_json;       // borrowed for the call; empty: none
  const JobExtras* extras = nullptr;  // borrowed for the call
};

// An idempotency key. It lives while its job has not ended, and until expires_at after that.
struct KeyRecord {
  QueueNumber queue{};
  Hash128 key{};
  Hash128 content{};
  JobId id;
  std::optional<TimePoint> expires_at;  // absent: the job has not ended
};

struct QueueRecord {
  QueueNumber number{};
  QueueName name;
  api::QueueSpec spec;
  std::string uid;  // of the resource that holds it; empty: nobody's
  std::int64_t generation = 0;
  bool retained = false;  // let go with its jobs: refuses enqueues until taken over
  std::vector<std::string> released_uids;  // never accepted again
  api::Pause pause_override;               // by :pause, apart from the spec's
  struct Drain {
    std::string worker;
    std::string instance;
    friend bool operator==(const Drain&, const Drain&) = default;
  };
  std::vector<Drain> drains;
};

struct ScheduleRecord {
  QueueNumber queue{};
  std::string uid;
  TimePoint last_tick;
};

struct RedriveRecord;  // redrive.h
struct GroupRecord;    // groups.h

// Where the engine's records go. Each call copies what it needs before it returns.
class RecordSink {
 public:
  virtual ~RecordSink() = default;

  // `body` is written once in a job's life, and removed once.
  virtual void put_body(QueueNumber queue, JobId id, std::string_view traceparent,
                        std::string_view payload) = 0;
  virtual void drop_body(QueueNumber queue, JobId id) = 0;

  virtual void put_job(const JobRecord& record) = 0;
  virtual void drop_job(QueueNumber queue, JobId id) = 0;
  // Dead jobs are kept apart, so that listing them passes no living ones.
  virtual void put_dead(const JobRecord& record) = 0;
  virtual void drop_dead(QueueNumber queue, JobId id) = 0;

  virtual void put_claim(const ClaimRecord& record) = 0;
  virtual void drop_claim(ClaimNumber number) = 0;

  virtual void put_finished(const FinishedRecord& record) = 0;
  // A copy that does not expire: for the outcomes feed (a job with a source, ended, not
  // acknowledged), or for children that need it.
  virtual void put_outcome(const FinishedRecord& record) = 0;
  virtual void drop_outcome(QueueNumber queue, JobId id) = 0;

  virtual void put_key(const KeyRecord& record) = 0;

  virtual void put_queue(const QueueRecord& record) = 0;
  // The queue and everything under its number.
  virtual void drop_queue(QueueNumber queue) = 0;
  virtual void put_schedule(const ScheduleRecord& record) = 0;
  virtual void put_redrive(const RedriveRecord& record) = 0;
  virtual void drop_redrive(QueueNumber queue, Uuid id) = 0;
  virtual void put_group(const GroupRecord& record) = 0;
  virtual void drop_group(QueueNumber queue, Uuid id) = 0;
};

// What the store hands over at start, in this order: queues, schedules, redrives, groups, jobs,
// dead jobs, outcomes, claims. Returns an error for what cannot be true (a job of an unknown
// queue): the start is refused.
class RecordVisitor {
 public:
  virtual ~RecordVisitor() = default;
  virtual Status queue(QueueRecord record) = 0;
  virtual Status schedule(ScheduleRecord record) = 0;
  virtual Status redrive(RedriveRecord record) = 0;
  virtual Status group(GroupRecord record) = 0;
  virtual Status job(const JobRecord& record, std::unique_ptr<JobExtras> extras) = 0;  // any state
  virtual Status outcome(const FinishedRecord& record, std::unique_ptr<JobExtras> extras) = 0;
  virtual Status claim(ClaimRecord record) = 0;
};

}  // namespace sluice::broker
