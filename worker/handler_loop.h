// Runs exec handlers: one thread that starts, watches and ends them all.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/base/clock.h"
#include "worker/backoff.h"
#include "worker/handler_command.h"
#include "worker/handler_process.h"
#include "worker/job_runner.h"
#include "worker/memory_watch.h"

namespace sluice::worker {

// The exec handlers, a process for every job. A handler over its time gets SIGTERM and, if it
// stays, SIGKILL, to its group; so does a cancelled one. A lost one gets SIGKILL. A job whose
// handler cannot be started goes back, and until it is tried again none is startable.
class HandlerLoop final : public JobRunner {
 public:
  struct Settings {
    HandlerCommand command;
    std::vector<std::string> environment;  // of the worker; each handler's is made from it
    std::string queue;
    std::size_t result_bytes_max = 64 * 1024;
    bool reaps_orphans = false;  // we are PID 1
    // Why no handler can be started any more; empty once one can again. On the loop's thread.
    std::function<void(const std::string& obstacle)> on_obstacle = [](const std::string&) {};
  };

  HandlerLoop(Settings settings, const Clock& clock, MemoryWatch memory, RunEvents events);
  ~HandlerLoop() override;
  HandlerLoop(const HandlerLoop&) = delete;
  HandlerLoop& operator=(const HandlerLoop&) = delete;

  void start(api::ClaimedJob job) override;
  void cancel(const std::string& id) override;
  void lose(const std::string& id) override;
  void terminate_all() override;
  void kill_all() override;

 private:
  struct Run {
    api::ClaimedJob job;
    std::unique_ptr<HandlerProcess> process;
    SteadyPoint timeout_at;
    std::optional<SteadyPoint> kill_at;
    StopCause stopped_by = StopCause::kNone;
    std::optional<std::uint64_t> memory_kills_before;
  };

  void post(std::function<void()> task);
  void wake();
  void loop();
  void wait_for_something();
  void run_tasks();
  void begin(api::ClaimedJob job);
  void attend(Run& run);
  void stop(Run& run, StopCause cause);
  void stop_all(StopCause cause, int signal);
  void end(Run& run);
  void hold_off(const std::string& obstacle);
  void try_again();
  void reap_orphans();
  Duration time_to_next_event(SteadyPoint now) const;

  const Settings settings_;
  const Clock& clock_;
  const MemoryWatch memory_;
  const RunEvents events_;
  Descriptor wakeup_;  // an eventfd

  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                     // guarded by mutex_

  // The loop's own.
  std::map<std::string, Run> runs_;
  std::optional<SteadyPoint> try_again_at_;  // set while no handler can be started
  Backoff try_again_backoff_{0};             // asks nobody else, so the jitter may be the same
  std::thread thread_;
};

}  // namespace sluice::worker
