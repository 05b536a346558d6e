// The broker's state machine: which jobs there are, who runs them, and what becomes of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/engine/commands.h"
#include "broker/engine/effects.h"
#include "broker/engine/groups.h"
#include "broker/engine/namespaces.h"
#include "broker/engine/records.h"
#include "broker/engine/redrive.h"
#include "broker/engine/types.h"
#include "broker/engine/views.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::broker {

// Deterministic, single-writer, in memory. Each call is one step: (state, arguments, now) → new
// state, records for the store, a reply. What a step did besides (woken claims, ended jobs,
// signals) is fetched with take_effects(). Nothing a step returned may be shown before its records
// are durable: the caller (broker/commit/engine_loop.h, tests/sim) sees to that.
//
// Invariants: a job has at most one live lease; a lease token is never issued twice, also across
// restarts; no step scans all jobs, but purging a queue.
//
// Time: reads no clock. Leases and timeouts are measured on now.steady, dates on now.wall.
// Threads: not synchronized.
class Engine {
 public:
  // `boot` is the store's, new at each start; `seed` feeds the backoff's jitter.
  Engine(std::uint32_t boot, std::uint64_t seed);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Before the start-up. What is over a limit already stays.
  void limit_namespaces(NamespaceLimitTable limits);

  // Start-up: the store fills the visitor, then finish_load() gives recorded leases their full time
  // again. No other call comes before.
  RecordVisitor& loader();
  Status finish_load(Now now, RecordSink& sink);

  // --- producers ---
  // kNotFound (no such queue, or let go; with a field: no such parent), kQueuePaused, kQueueFull,
  // kNamespaceFull, kIdempotency, kTooLarge, kInvalidArgument. What refuses the queue is the same
  // for all enqueues of one step. A reply that is stale has left `job` as it was.
  Result<Enqueued> enqueue(const QueueName& queue, NewJob&& job, const Lookup& lookup, Now now,
                           RecordSink& sink);
  // Whether enqueue() would call the lookup stale.
  bool is_stale(const QueueName& queue, const NewJob& job, const Lookup& lookup) const;
  // A batch's group: begun, then each of its jobs enqueued with its id, then sealed, in one step.
  // kNotFound (no such queue), kQueueFull (too many groups). A group that is there already is gone
  // on with.
  Result<Uuid> begin_group(const QueueName& queue, const NewGroup& wanted, Now now);
  // Absent when no job was taken: then there is no group.
  std::optional<Uuid> seal_group(const QueueName& queue, Uuid id, Now now, RecordSink& sink);
  Result<GroupRecord> find_group(const QueueName& queue, Uuid id) const;
  // As of the end of the last step; none for a queue that is not there.
  PressureView pressure(const QueueName& queue, Now now) const;
  // What the store keeps this queue's jobs under, also once it was let go with them; kNotFound.
  Result<QueueNumber> queue_number(const QueueName& queue) const;
  // Of the jobs a new one of `child` depends on, those to be looked up in the store, which are read
  // after this reply: ended ones, or none.
  std::vector<JobId> unknown_parents(const QueueName& child, std::span<const JobId> ids) const;
  // The limits of one queue, for checking before a payload is kept; kNotFound.
  Result<api::PayloadLimits> payload_limits(const QueueName& queue) const;
  // Forgets keys and ids ended or used in batches up to `batch`: every lookup from now on has
  // as_of >= batch.
  void forget_recent(BatchNumber batch);
  // The number of the batch the next records go into.
  void set_open_batch(BatchNumber batch);

  // --- workers ---
  // An empty grant without drain means: nothing now.
  Result<ClaimGrant> claim(const ClaimRequest& request, Now now, RecordSink& sink);
  // Registers a claim that found nothing; it is answered once through Effects, unless dropped
  // before.
  void wait_for_claim(WaiterId waiter, const ClaimRequest& request);
  void drop_waiter(WaiterId waiter);
  // The reply of this claim could not be delivered: its jobs go back uncounted, in their old place.
  void hand_back(const QueueName& queue, ClaimNumber claim, Now now, RecordSink& sink);
  Result<ExtendReply> extend(const ExtendRequest& request, Now now, RecordSink& sink);
  // kConflict: the lease is stale. kNotFound: no such living or dead job; the caller asks the store
  // whether a finished one keeps this very settlement. kTooLarge, kInvalidArgument: the result or a
  // follow-up job; nothing was done and the job stays leased. Follow-ups are taken though
  // enqueueing is paused: they are part of work that is under way.
  Status settle(SettleRequest&& request, Now now, RecordSink& sink);

  // --- jobs ---
  std::optional<JobView> find(const QueueName& queue, JobId id, Now now) const;
  // Running jobs in order of id, after `after`, at most `limit`.
  std::vector<JobView> list_running(const QueueName& queue, std::optional<JobId> after,
                                    std::size_t limit, Now now) const;
  // The job after the call; a dead one is unchanged. kNotFound: the caller asks the store.
  Result<JobView> cancel(const QueueName& queue, JobId id, Now now, RecordSink& sink);
  // A waiting job's due date; one that has passed makes it Ready. kNotFound: the caller asks the
  // store. kConflict: it runs, is Dead, or waits for another job.
  Result<JobView> reschedule(const QueueName& queue, JobId id, TimePoint due_at, Now now,
                             RecordSink& sink);
  // An ended watched job is reported once in Effects::ended. Calls nest: one unwatch per watch.
  void watch(JobId id);
  void unwatch(JobId id);
  // While somebody listens, every end of a job in this queue is in Effects::ends. Calls nest.
  void listen_to_ends(const QueueName& queue);
  void stop_listening_to_ends(const QueueName& queue);
  // Dead jobs back to the end of the queue, counters reset, oldest death first: the first slice at
  // once, the rest as time passes. kConflict: kRedrivesMax of them run.
  Result<RedriveRecord> redrive(const QueueName& queue, DeadFilter filter, int per_second, Now now,
                                RecordSink& sink);
  Result<RedriveRecord> find_redrive(const QueueName& queue, Uuid id) const;
  // The task after the call; one that has ended is unchanged.
  Result<RedriveRecord> cancel_redrive(const QueueName& queue, Uuid id, Now now, RecordSink& sink);
  Result<std::size_t> purge_dead(const QueueName& queue, const DeadFilter& filter, Now now,
                                 RecordSink& sink);

  // --- queues ---
  // kConflict with field "generation" (stale-spec) or "uid" (uid-conflict).
  Status configure(const ConfigureRequest& request, Now now, RecordSink& sink);
  // kNotFound, kConflict (uid), kQueueNotEmpty.
  Status delete_queue(const DeleteQueueRequest& request, Now now, RecordSink& sink);
  // Each member set is changed; resume clears the override.
  Status pause(const QueueName& queue, std::optional<bool> enqueue, std::optional<bool> dispatch,
               Now now, RecordSink& sink);
  Status resume(const QueueName& queue, Now now, RecordSink& sink);
  Result<QueueView> queue(const QueueName& queue, Now now);
  std::vector<QueueView> queues(Now now);

  // --- workers as the operator sees them; instance absent: the last one seen under that name ---
  Status drain_worker(const QueueName& queue, const std::string& worker,
                      const std::optional<std::string>& instance, bool drain, Now now,
                      RecordSink& sink);
  Status worker_gone(const QueueName& queue, const std::string& worker,
                     const std::optional<std::string>& instance, GoneCause cause, Now now,
                     RecordSink& sink);

  // --- sources and schedules ---
  // Entries after `cursor` (empty, or of another boot: from the beginning), at most `limit`.
  OutcomePage outcomes(const std::string& cursor, std::size_t limit, Now now) const;
  // Unknown ids are passed over: acknowledging twice is once.
  void acknowledge(const QueueName& queue, std::span<const JobId> ids, Now now, RecordSink& sink);
  std::vector<JobId> jobs_of_source(const QueueName& queue, const std::string& source_uid) const;
  Result<ScheduleView> schedule(const QueueName& queue, const std::string& uid) const;

  // --- time ---
  // Does what is due at `now`, at most kStepsMax things; whether more is due already.
  static constexpr std::size_t kStepsMax = 1'000;
  bool advance(Now now, RecordSink& sink);
  // How long from `now` until advance() has something to do; absent: not until something changes.
  std::optional<Duration> until_next(Now now) const;

  // Signals are made only while somebody listens. With `everything`, all queues are due at once.
  void want_signals(bool wanted, bool everything);
  // Matches waiting claims with ready jobs, then hands over what happened since the last call.
  Effects take_effects(Now now, RecordSink& sink);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::broker
