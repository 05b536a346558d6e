// A broker in memory that keeps the promises of the real one towards the operator.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "operator/controller/broker_api.h"

namespace sluice::testing {

// The broker itself; outlives the operators that come and go.
//
// Threads: any.
class FakeBroker {
 public:
  explicit FakeBroker(const Clock& clock) : clock_(clock) {}

  // --- what producers, workers and the world do ---
  void add_jobs(const op::QueueRef& queue, int count);
  // Each ready worker without a job takes one; every job that runs ends, succeeding.
  void run_jobs(const op::QueueRef& queue, const std::set<std::string>& instances);
  void end_job(const op::QueueRef& queue, const std::string& id, api::JobState state,
               const std::string& result_json);
  void drop_record(const op::QueueRef& queue, const std::string& id);
  void see_worker(const op::QueueRef& queue, const std::string& name, const std::string& instance);
  void forget_worker(const op::QueueRef& queue, const std::string& instance);
  void set_away(bool away);

  // --- what a test looks at ---
  std::optional<op::BrokerQueue> queue(const op::QueueRef& queue) const;
  std::map<std::string, api::JobState> jobs(const op::QueueRef& queue) const;  // by id
  std::vector<std::string> bodies() const;  // of enqueues that made a job
  bool is_acknowledged(const std::string& id) const;
  bool wants_drain(const op::QueueRef& queue, const std::string& instance) const;

 private:
  friend class FakeBrokerApi;

  struct Job {
    op::BrokerJob job;
    std::string source_uid;
    std::string source_name;
    std::string schedule_uid;
    bool acknowledged = false;
    std::uint64_t version = 0;  // of its last change, for the feed
  };
  struct Queue {
    op::BrokerQueue config;
    std::map<std::string, Job> jobs;
    std::map<std::string, api::WorkerFigures> workers;  // by instance
    std::set<std::string> drains;
    std::map<std::string, TimePoint> last_ticks;
    std::set<std::string> released;
  };

  void change_locked(Job* job = nullptr);
  op::BrokerQueue view_locked(const Queue& queue) const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<op::QueueRef, Queue> queues_;
  std::set<std::string> acknowledged_;
  std::vector<std::string> bodies_;
  std::uint64_t version_ = 0;
  std::uint64_t next_id_ = 0;
  bool away_ = false;
};

// One operator's connection. Its writes are counted: it goes dead for good before or after the
// `ends_at`-th one, as if the operator had been killed there.
class FakeBrokerApi final : public op::BrokerApi {
 public:
  // Shared between what counts writes in one operator.
  struct Fuse {
    std::atomic<int> left{-1};  // writes until the end; negative: never
    std::atomic<bool> loses_reply{false};
    std::atomic<bool> blown{false};
    // Whether the write may happen, and whether its answer arrives.
    struct Leave {
      bool happens;
      bool answers;
    };
    Leave spend();
  };

  FakeBrokerApi(FakeBroker& broker, Fuse* fuse = nullptr) : broker_(broker), fuse_(fuse) {}

  Status put_queue(const op::QueueRef&, const std::string& spec_json, const std::string& uid,
                   std::int64_t generation) override;
  Status delete_queue(const op::QueueRef&, const std::string& uid, bool purge) override;
  Result<std::optional<op::BrokerQueue>> get_queue(const op::QueueRef&) override;
  Result<std::vector<std::pair<op::QueueRef, op::BrokerQueue>>> list_queues() override;
  Result<op::EnqueueResult> enqueue(const op::QueueRef&, const std::string& body_json) override;
  Result<std::optional<op::BrokerJob>> get_job(const op::QueueRef&, const std::string& id) override;
  Status cancel_job(const op::QueueRef&, const std::string& id) override;
  Status acknowledge(const op::QueueRef&, const std::vector<std::string>& ids) override;
  Result<op::OutcomesPage> outcomes(const std::string& cursor, int wait_seconds) override;
  Result<op::BrokerSchedule> schedule(const op::QueueRef&, const std::string& uid) override;
  Status drain_worker(const op::QueueRef&, const std::string& worker, const std::string& instance,
                      bool drain) override;
  Status worker_gone(const op::QueueRef&, const std::string& worker, const std::string& instance,
                     const std::string& cause) override;
  Status signals(const std::function<void(const api::QueueSignal&)>& on_signal) override;
  void stop() override;

 private:
  bool is_cut_locked() const;
  // Runs `write` under the broker's lock, through the fuse.
  template <typename T, typename Write>
  Result<T> write(Write write);

  FakeBroker& broker_;
  Fuse* fuse_;
  bool stopped_ = false;  // under the broker's lock
};

}  // namespace sluice::testing
