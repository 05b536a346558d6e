// The broker as the operator sees it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/plan/job_plan.h"
#include "operator/plan/queue_plan.h"

namespace sluice::op {

struct QueueRef {
  std::string namespace_name;
  std::string name;
  friend auto operator<=>(const QueueRef&, const QueueRef&) = default;
};

struct EnqueueResult {
  std::string id;
  std::string state;
  bool skipped = false;  // the schedule's policy dropped the tick: there is no job
};

struct OutcomeEvent {
  QueueRef queue;
  std::string source_uid;
  std::string source_name;
  BrokerJob job;
};

// `cursor` is where the next call goes on.
struct OutcomesPage {
  std::vector<OutcomeEvent> events;
  std::string cursor;
};

// What the broker remembers of a schedule.
struct BrokerSchedule {
  std::optional<TimePoint>
      last_tick;    // the last that was decided: enqueued or dropped by its policy
  int running = 0;  // its jobs that have not ended
};

// Any thread; calls block, each with a deadline of its own. kUnavailable when the broker cannot be
// reached.
class BrokerApi {
 public:
  virtual ~BrokerApi() = default;

  virtual Status put_queue(const QueueRef& queue, const std::string& spec_json,
                           const std::string& uid, std::int64_t generation) = 0;
  virtual Status delete_queue(const QueueRef& queue, const std::string& uid, bool purge) = 0;
  virtual Result<std::optional<BrokerQueue>> get_queue(const QueueRef& queue) = 0;
  virtual Result<std::vector<std::pair<QueueRef, BrokerQueue>>> list_queues() = 0;

  // `body_json` is the enqueue call's body.
  virtual Result<EnqueueResult> enqueue(const QueueRef& queue, const std::string& body_json) = 0;
  virtual Result<std::optional<BrokerJob>> get_job(const QueueRef& queue,
                                                   const std::string& id) = 0;
  virtual Status cancel_job(const QueueRef& queue, const std::string& id) = 0;
  virtual Status acknowledge(const QueueRef& queue, const std::vector<std::string>& ids) = 0;
  virtual Result<OutcomesPage> outcomes(const std::string& cursor, int wait_seconds) = 0;
  virtual Result<BrokerSchedule> schedule(const QueueRef& queue,
                                          const std::string& schedule_uid) = 0;

  virtual Status drain_worker(const QueueRef& queue, const std::string& worker,
                              const std::string& instance, bool drain) = 0;
  virtual Status worker_gone(const QueueRef& queue, const std::string& worker,
                             const std::string& instance, const std::string& cause) = 0;

  // Blocks; calls back for each signal until the stream breaks or stop() is called.
  virtual Status signals(const std::function<void(const api::QueueSignal&)>& on_signal) = 0;
  // Ends every call under way; for good.
  virtual void stop() = 0;
};

}  // namespace sluice::op
