// Follows the broker: its queues' signals and the outcomes of jobs that have a resource.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <random>
#include <thread>

#include "operator/controller/broker_api.h"
#include "operator/controller/broker_view.h"
#include "operator/controller/object_cache.h"
#include "operator/controller/work_queue.h"

namespace sluice::op {

struct BrokerSyncOptions {
  Duration reconnect_min;
  Duration reconnect_max;
  std::uint64_t jitter_seed = 1;
};

// Two threads. After every connect both sides are compared: each key that either side knows is
// queued, and its reconciler pushes, lets go or cancels. A stream that breaks is first opened
// again; only when that fails is the broker away, and everything is queued once more to say so.
//
// Threads: start() and stop() from one thread. stop() ends the BrokerApi's calls for good.
class BrokerSync {
 public:
  BrokerSync(BrokerApi& broker, BrokerView& view, const ObjectCache& cache, WorkQueue& queue,
             BrokerSyncOptions options);
  ~BrokerSync();
  BrokerSync(const BrokerSync&) = delete;
  BrokerSync& operator=(const BrokerSync&) = delete;

  void start();
  void stop();

 private:
  void follow_signals();
  void follow_outcomes();
  // Lists what the broker has and queues every key; whether the broker answered.
  bool compare();
  void queue_everything();
  // Waits with jitter, longer each time; false when stopped.
  bool back_off(Duration& delay, std::minstd_rand& jitter);
  bool is_stopped();

  BrokerApi& broker_;
  BrokerView& view_;
  const ObjectCache& cache_;
  WorkQueue& queue_;
  const BrokerSyncOptions options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
  std::thread signals_;
  std::thread outcomes_;
};

}  // namespace sluice::op
