// What runs the jobs a worker has claimed: programs of its own, or a server beside it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/api/job_protocol.h"
#include "worker/handler_outcome.h"

namespace sluice::worker {

// What a runner tells the worker. Called on the runner's thread, with no lock held.
struct RunEvents {
  std::function<void(const std::string& id, api::Progress progress)> on_progress;
  // The run is over and its slot free. No outcome: the lease is lost, nothing is to be settled.
  std::function<void(const api::ClaimedJob& job, std::optional<RunOutcome> outcome)> on_end;
  // Whether a job could begin now. It is taken that none could until this was called.
  std::function<void(bool can_start)> on_startable;
};

// Every call returns at once; the runner acts on it. A run over its timeout is ended without being
// asked.
//
// Threads: any may call. The destructor ends what still runs, without events.
class JobRunner {
 public:
  virtual ~JobRunner() = default;

  virtual void start(api::ClaimedJob job) = 0;
  virtual void cancel(const std::string& id) = 0;  // Cancelled, unless it succeeds first
  virtual void lose(const std::string& id) = 0;    // ended at once, no outcome
  // The worker must leave: runs are asked to end, then ended. Released, unless they succeed first.
  virtual void terminate_all() = 0;
  virtual void kill_all() = 0;
};

}  // namespace sluice::worker
