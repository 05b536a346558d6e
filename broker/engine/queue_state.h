// One queue inside the engine: its settings, its jobs by where they wait, its workers and figures.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/engine/circuit.h"
#include "broker/engine/commands.h"
#include "broker/engine/job_table.h"
#include "broker/engine/key_lines.h"
#include "broker/engine/namespaces.h"
#include "broker/engine/rate_limit.h"
#include "broker/engine/rates.h"
#include "broker/engine/start_throttle.h"
#include "broker/engine/tenant_order.h"

namespace sluice::broker {

// A list of leases that go together, linked by their indexes in the engine's table.
inline constexpr std::uint32_t kNoLease = ~std::uint32_t{0};
struct LeaseList {
  std::uint32_t first = kNoLease;
};

struct WorkerState {
  std::string name;
  std::string instance;
  LeaseList leases;
  std::int64_t running = 0;
  int waiting = 0;  // long polls
  bool drain_requested = false;
  bool draining = false;
  int holding = 0;
  Now seen_at{};
};

struct Waiter {
  WaiterId id = 0;
  ClaimRequest request;
};

struct ScheduleState {
  TimePoint last_tick;
  JobId last_job;                      // of last_tick; nil: skipped, or not known after a restart
  std::set<JobId> active;              // not ended, the blocked ones included
  std::map<TimePoint, JobId> blocked;  // policy Enqueue: by tick
};

inline constexpr int kPriorities = 10;

// 0: jobs of a key are not limited.
inline int limit_per_key(const api::QueueSpec& spec) {
  return spec.concurrency_limit ? spec.concurrency_limit->per_key.value_or(0) : 0;
}

struct QueueState {
  using Heap = SlotHeap<JobTable>;

  QueueRecord record;
  std::uint32_t index = 0;          // of this queue in the engine
  NamespaceUsage* usage = nullptr;  // of its namespace

  // Jobs by where they wait.
  TenantOrder order;  // Ready
  KeyLines lines;     // Ready, but others of their key come first
  Heap scheduled;     // due later than dueSoonSeconds from now
  Heap due_soon;
  std::size_t backing_off = 0;
  std::size_t blocked = 0;
  std::int64_t running = 0;
  std::int64_t running_started_sum = 0;  // of steady microseconds, for the elapsed time of all runs
  std::set<std::pair<TimePoint, JobId>> dead;  // by time of death
  std::int64_t bytes = 0;                      // of the payloads of jobs that have not ended

  std::map<std::pair<std::string, std::string>, WorkerState> workers;  // by name and instance
  std::map<std::string, std::string> last_instance;
  std::list<Waiter> waiters;  // first come first served
  std::map<std::string, ScheduleState> schedules;
  std::unordered_map<std::string, JobId> unique_keys;  // held by jobs that have not ended
  std::size_t unfinished_groups = 0;
  std::deque<Uuid> finished_groups;  // as they finished

  QueueTotals totals;
  Rate enqueued, became_ready, started, succeeded, failed;
  RecentRuns runs;
  RecentRate drained;  // jobs that ended
  RecentRate recent_starts;

  std::int64_t last_key_position = 0;
  std::optional<TokenBucket> rate_limit;
  Circuit circuit;         // closed without a circuitBreaker
  StartThrottle throttle;  // of the handlers' 429 and 503
  bool is_throttled = false;

  // Flow control, looked at after each step that changed the queue and when time alone matters.
  api::Pressure pressure = api::Pressure::kNone;
  api::CircuitState circuit_told = api::CircuitState::kClosed;
  SteadyPoint flow_alarm = SteadyPoint::max();

  TimePoint alarm = TimePoint::max();  // when advance() has to look at this queue
  bool changed = false;                // since its last signal
  bool urgent = false;
  SteadyPoint last_signal{};

  const api::QueueSpec& spec() const { return record.spec; }
  bool dispatch_paused() const {
    return record.spec.pause.dispatch || record.pause_override.dispatch;
  }
  bool enqueue_paused() const { return record.spec.pause.enqueue || record.pause_override.enqueue; }
  bool has_flow_control() const {
    return record.spec.backpressure || record.spec.rate_limit || record.spec.concurrency_limit ||
           record.spec.circuit_breaker || is_throttled;
  }
  std::size_t ready_count() const { return order.size() + lines.parked(); }
  std::size_t scheduled_count() const { return scheduled.size() + due_soon.size(); }
  std::size_t living() const {
    return ready_count() + scheduled_count() + blocked + static_cast<std::size_t>(running);
  }
  bool holds_jobs() const { return living() > 0 || !dead.empty(); }
  // Let go and empty: kept only to remember the uids it must not accept again.
  bool is_shell() const { return record.retained && !holds_jobs(); }
};

}  // namespace sluice::broker
