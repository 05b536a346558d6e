// The engine's inside: the moves that every command is made of.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/engine/engine.h"
#include "broker/engine/engine_tables.h"
#include "broker/engine/pressure.h"
#include "broker/engine/retry.h"

namespace sluice::broker {

class Engine::State final : public EngineTables, public RecordVisitor {
 public:
  State(std::uint32_t boot_number, std::uint64_t seed)
      : boot(boot_number), ids(boot_number), jitter(seed) {}

  // --- RecordVisitor: the store's records at start ---
  Status queue(QueueRecord record) override;
  Status schedule(ScheduleRecord record) override;
  Status redrive(RedriveRecord record) override;
  Status job(const JobRecord& record, std::unique_ptr<JobExtras> extras) override;
  Status outcome(const FinishedRecord& record, std::unique_ptr<JobExtras> extras) override;
  Status claim(ClaimRecord record) override;
  void load_waiting(QueueState& queue, Slot slot, bool backing_off);
  QueueState* queue_by_number(QueueNumber number) const;

  // --- looking up ---
  QueueState* find_queue(const QueueName& name) const;
  // Also refuses a queue that was let go.
  Result<QueueState*> require_queue(const QueueName& name) const;
  static Error no_such_queue(const QueueName& name);
  // A living or dead job of this queue.
  Slot find_job(const QueueState& queue, JobId id) const;
  LeaseState* lease_of(Slot slot);
  WorkerState& touch_worker(QueueState& queue, const std::string& name, const std::string& instance,
                            Now now);

  // --- moves; each keeps figures, heaps, alarms and records in step ---
  void make_ready(QueueState& queue, Slot slot, TimePoint ready_at, Now now);
  void put_back(QueueState& queue, Slot slot, Now now);  // Ready in its old place
  void make_scheduled(QueueState& queue, Slot slot, TimePoint due_at, bool backing_off);
  void watch_expiry(const Job& job);  // a waiting job that was never started dies at its expiresAt
  void unlink(QueueState& queue, Slot slot);    // out of whatever structure it waits in
  void take_out(QueueState& queue, Slot slot);  // the same, but nobody moves up in its line
  void leave_backoff(QueueState& queue, Slot slot);
  void start(QueueState& queue, Slot slot, ClaimNumber claim, WorkerState& worker, Now now);
  // The lease and its claim, when that was its last one, are no more.
  void drop_lease(std::uint32_t index, RecordSink& sink);
  // Ends the live lease; its run goes to the history unless `run` is absent.
  void end_lease(QueueState& queue, Slot slot, std::optional<RunResult> run, Now now,
                 RecordSink& sink);
  // What becomes of a job whose run failed, timed out, was lost or released.
  void after_failure(QueueState& queue, Slot slot, const api::RunError& error,
                     std::optional<int> retry_after_seconds, Now now, RecordSink& sink);
  void after_lease_loss(QueueState& queue, Slot slot, Now now, RecordSink& sink);
  void hand_back(QueueState& queue, Slot slot, Now now, RecordSink& sink);
  void die(QueueState& queue, Slot slot, api::RunError error, Now now, RecordSink& sink);
  // Succeeded, Cancelled, or a dead one let go: out of memory.
  void finish(QueueState& queue, Slot slot, api::JobState state, std::string_view result, Now now,
              RecordSink& sink);
  // A waiting job past its expiresAt that was never started dies; whether it did.
  bool expire(QueueState& queue, Slot slot, Now now, RecordSink& sink);
  void remove_dead(QueueState& queue, Slot slot, Now now, RecordSink& sink);
  void evict_dead(QueueState& queue, Now now, RecordSink& sink);
  void cancel(QueueState& queue, Slot slot, Now now, RecordSink& sink);
  JobId insert_new(QueueState& queue, NewJob&& request, const Lookup& lookup, Now now,
                   RecordSink& sink);
  Status check_follow_ups(const SettleRequest& request) const;
  FinishedRecord finished_record(const QueueState& queue, const Job& job, api::JobState state,
                                 TimePoint expires_at, Now now) const;
  std::optional<Result<Enqueued>> find_repeat(const QueueState& queue, const NewJob& job,
                                              const Lookup& lookup) const;
  std::vector<Slot> select_dead(const QueueState& queue, const DeadFilter& filter) const;
  bool is_meant(const DeadFilter& filter, Slot dead) const;
  void drop_queue(QueueState& queue, RecordSink& sink);  // with everything in it

  // --- dependencies ---
  bool knows_parent(const QueueName& child, JobId id) const;
  Status check_parents(const QueueName& child, const NewJob& job, const Lookup& lookup) const;
  ParentState& hold_parent(JobId id, const Lookup& lookup, RecordSink& sink);
  std::optional<JobId> join_parents(Slot slot, const Lookup& lookup, RecordSink& sink);
  std::optional<JobId> await_parents(Job& job);
  void stop_waiting(Job& job);
  void make_blocked(QueueState& queue, Slot slot, TimePoint due_at);
  void fail_child(QueueState& queue, Slot slot, JobId parent, Now now, RecordSink& sink);
  void unblock(QueueState& queue, Slot slot, Now now, RecordSink& sink);
  void end_parent(JobId id, api::JobState end, bool kept);
  // Before it leaves memory, for what is enqueued in the same step.
  void remember_as_parent(const QueueState& queue, Slot slot, api::JobState end, Now now);
  void leave_parents(const Job& job, RecordSink& sink);
  bool release_children(Now now, std::size_t& steps, std::size_t steps_max, RecordSink& sink);
  void release_some(Now now, RecordSink& sink);
  void link_loaded_children(RecordSink& sink);
  void load_parent(JobId id, ParentState& parent);
  void drop_parents(const QueueState& queue);
  std::vector<GrantedParent> parents_of(const Job& job) const;

  // --- namespaces ---
  const NamespaceLimits& limits_of(const std::string& namespace_name) const;
  Status check_room(const QueueState& queue, const NewJob& job) const;
  Status check_queue_room(const QueueName& name) const;
  Slot add_job(QueueState& queue, JobId id, std::uint32_t payload_bytes);
  void remove_job(Slot slot);

  // --- groups ---
  Status group(GroupRecord record) override;
  void order_groups();
  void join_group(QueueState& queue, Job& job);
  void keep_group(QueueState& queue, GroupRecord& group, Now now, RecordSink& sink);
  void leave_group(QueueState& queue, const Job& job, api::JobState end, Now now, RecordSink& sink);
  void return_to_group(QueueState& queue, const Job& job, Now now, RecordSink& sink);
  void tell_group(const QueueState& queue, const GroupRecord& group, Now now, RecordSink& sink);
  void drop_groups(const QueueState& queue);

  // --- unique keys ---
  std::optional<Enqueued> find_duplicate(const QueueState& queue, const NewJob& job) const;
  std::optional<JobId> make_way(QueueState& queue, const NewJob& job, Now now, RecordSink& sink);
  void hold_unique_key(QueueState& queue, Job& job);
  void free_unique_key(QueueState& queue, const Job& job);

  // --- callbacks ---
  QueueState& callback_queue(const std::string& namespace_name, Now now, RecordSink& sink);
  void call_back(const QueueState& queue, const Job& job, api::JobState state,
                 std::string_view result, Now now, RecordSink& sink);
  void deliver_later(const std::string& namespace_name, NewJob&& delivery, Now now,
                     RecordSink& sink);
  void tell_deliverer(const QueueState& queue, Now now);

  // --- redrives ---
  void revive(QueueState& queue, Slot dead, Now now, RecordSink& sink);
  bool step_redrive(RedriveRecord& task, QueueState& queue, Now now, RecordSink& sink);
  void run_redrive(RedriveKey key, Now now, RecordSink& sink);
  bool make_redrive_room(const QueueState& queue, RecordSink& sink);
  void drop_redrives(const QueueState& queue);
  void resume_redrives(Now now);

  // --- schedules and sources ---
  Enqueued repeat_tick(const ScheduleState& schedule, TimePoint tick) const;
  bool admit_tick(QueueState& queue, const ScheduleTick& tick, Now now, RecordSink& sink);
  void leave_schedule(QueueState& queue, Slot slot, Now now, RecordSink& sink);
  void note_outcome(QueueState& queue, JobId id, const JobSource& source, api::JobState state);
  void forget_outcome(JobId id);
  void note_end(Slot slot);  // for repeated keys and ids
  void tell_listeners(const QueueState& queue, const Job& job, Now now);
  void tell_watchers(const Job& job);  // and let go of its source

  // --- records ---
  void write_job(const QueueState& queue, Slot slot, RecordSink& sink);
  void write_key(const QueueState& queue, const Job& job, std::optional<TimePoint> expires_at,
                 RecordSink& sink);
  JobRecord record_of(const QueueState& queue, const Job& job) const;
  JobView view_of(const QueueState& queue, Slot slot) const;

  // --- flow control ---
  std::optional<TimePoint> oldest_ready(const QueueState& queue) const;
  Load load_of(const QueueState& queue, Now now) const;
  void look_at_flow(QueueState& queue, Now now);
  void meet_flow_alarm(QueueState& queue, Now now);
  SteadyPoint next_start_alarm(const QueueState& queue, Now now) const;
  void note_start(QueueState& queue, Now now);
  // A run's end, before its job moves: for the circuit, and for handlers that ask for less.
  void note_run_end(QueueState& queue, const Job& job, const LeaseState& lease,
                    const std::optional<RunResult>& run, Now now);
  void configure_flow(QueueState& queue, const api::QueueSpec& before, Now now);
  void rearrange_lines(QueueState& queue);
  void enter_ready(QueueState& queue, Slot slot);
  void leave_ready(QueueState& queue, Slot slot);
  // So many more jobs of this one's key run and back off.
  void count_in_line(QueueState& queue, const Job& job, int running, int backing_off);
  // How many starts the limits leave within `span`, whatever waits.
  std::int64_t start_limit(const QueueState& queue, Now now, Duration span) const;
  bool may_start(const QueueState& queue, Now now) const;
  // Jobs that may start, now or soon enough to keep workers for.
  std::int64_t dispatchable(const QueueState& queue, Now now) const;
  void set_flow_alarm(QueueState& queue, SteadyPoint at);

  // --- time and signals ---
  bool advance_queue(QueueState& queue, Now now, std::size_t& steps, RecordSink& sink);
  void end_overdue_lease(LeaseState& lease, Now now, RecordSink& sink);
  void reset_alarm(QueueState& queue);
  void mark_changed(QueueState& queue, bool urgent = false);
  api::QueueFigures figures_of(const QueueState& queue, Now now) const;
  std::vector<api::WorkerFigures> workers_of(const QueueState& queue) const;
  QueueView view_of(const QueueState& queue, Now now) const;
  ClaimGrant grant(QueueState& queue, WorkerState& worker, int max, Now now, RecordSink& sink);
  void serve_waiters(QueueState& queue, Now now, RecordSink& sink);
  void release_waiters(QueueState& queue, WorkerState& worker);
  void collect_signals(Now now);

  std::uint32_t boot;
  IdSource ids;
  Jitter jitter;
  std::uint64_t claims_made = 0;
  BatchNumber open_batch = 0;
};

}  // namespace sluice::broker
