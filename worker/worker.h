// A worker: claims jobs of one queue, runs their handlers, keeps their leases, settles them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "common/base/clock.h"
#include "worker/backoff.h"
#include "worker/broker_session.h"
#include "worker/handler_loop.h"
#include "worker/http_runner.h"
#include "worker/job_runner.h"
#include "worker/lease_book.h"
#include "worker/settle_outbox.h"

namespace sluice::worker {

// Four threads, so that none can hold up another: claims, heartbeats, settlements and the runner's.
// They meet in the state below, under one mutex that is never held across a call to the broker or
// the runner's events.
//
// Invariant: nothing is claimed unless the broker's last answers to a heartbeat and a settlement
// were heard. A worker that can claim but not report (its old connection outlives a swapped
// certificate, say) would take jobs from those who can, and run them into the dead letters.
//
// Threads: run() by one; the others by any.
class Worker {
 public:
  struct Settings {
    WorkerIdentity identity;
    std::variant<HandlerLoop::Settings, HttpRunner::Settings> handlers;
    int concurrency = 1;
    std::int64_t jobs_max = 0;  // claimed in its life; 0: no limit
    Duration grace = std::chrono::seconds{330};
    std::uint64_t seed = 0;  // of the jitter
  };

  // Settlements that wait for the broker; beyond, nothing more is claimed.
  static constexpr std::size_t kUnsettledMax = 1000;

  Worker(Settings settings, const Clock& clock, MemoryWatch memory);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Works until stop() or the last of jobs_max, and everything is settled or the grace is over.
  // With an http handler only stop() ends it: a worker beside a server that returned would be
  // started again, and claim.
  void run();

  // SIGTERM: claims no more, runs on within the grace, hands back the rest. Repeating it changes
  // nothing.
  void stop();

  // The pod is going: as stop(), but only stop() ends run(). The grace counts from here. Returns
  // once nothing is held, or when it is time for the handler to be told to end.
  void drain();

  // Whether a claimed job could begin now.
  bool can_start();

 private:
  void claim_jobs();
  void send_heartbeats();
  void settle_runs();
  void follow_shutdown(std::unique_lock<std::mutex>& lock);

  std::optional<int> wait_for_slots();
  void end_claim(Result<api::ClaimReply>& reply);
  void act_on(const api::ExtendReply& reply);
  void set_drain(bool drain);
  RunEvents events();
  void on_run_end(const api::ClaimedJob& job, std::optional<RunOutcome> outcome);
  void act_on(const std::vector<SettleVerdict>& verdicts);
  bool pause(Duration time);

  // All of these require mutex_.
  void begin_shutdown();
  bool takes_no_more() const;
  bool may_claim() const;
  bool is_finished() const { return takes_no_more() && leases_.size() == 0 && !claim_under_way_; }
  bool is_beside_server() const {
    return std::holds_alternative<HttpRunner::Settings>(settings_.handlers);
  }

  const Settings settings_;
  const Clock& clock_;
  BrokerSession claims_;
  BrokerSession reports_;  // heartbeats and settlements: what one opened the other may go on with

  std::mutex mutex_;
  std::condition_variable changed_;
  LeaseBook leases_;
  SettleOutbox outbox_;
  int running_ = 0;  // slots in use
  std::int64_t claimed_ = 0;
  bool drain_asked_ = false;      // by the broker
  bool can_start_ = false;        // as the runner says
  bool start_failed_ = false;     // a run could not begin: claim slowly
  bool beat_heard_ = false;       // the last heartbeat was answered
  bool settle_heard_ = true;      // the last settlement was, if there was one
  bool claim_under_way_ = false;  // the broker may be granting jobs
  bool may_leave_ = false;        // stop() was called
  bool over_ = false;             // the threads end
  std::optional<SteadyPoint> stopped_at_;

  std::unique_ptr<JobRunner> handlers_;  // last: its events use everything above
};

}  // namespace sluice::worker
