// The operator: watches, caches, the work queue, the reconcilers and the broker's feeds, put
// together.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "operator/controller/broker_api.h"
#include "operator/controller/event_recorder.h"
#include "operator/controller/object_store.h"
#include "operator/controller/pod_builder.h"
#include "operator/controller/reconcile_observer.h"
#include "operator/controller/work_queue.h"
#include "operator/plan/start_failures.h"

namespace sluice::op {

struct ControllerOptions {
  int threads = 4;                        // reconciling at the same time
  std::uint64_t jitter_seed = 1;          // of every backoff
  std::string injected_version;           // of the worker put into pods; part of the template hash
  ReconcileObserver* observer = nullptr;  // outlives the controller
  Duration reconnect_min =
      std::chrono::milliseconds{100};  // first wait before the broker is tried again
  Duration reconnect_max = std::chrono::seconds{10};
  // How long the first reconciles wait for the broker, so that an operator that has just come back
  // does not write Unknown into every status, only to take it back.
  Duration first_contact_max = Duration::zero();
  // The longest wait before a pod that failed to start is made again.
  int start_backoff_seconds_max = StartFailures::kBackoffSecondsMax;
};

// Level-triggered: what is wanted and what is there are compared again whenever either may have
// changed, and after every start and reconnect as a whole. Nothing but scaling's short memory is
// lost when it ends at any point.
//
// Threads: start() and stop() from one thread; the rest from any. Everything passed in outlives it.
class Controller {
 public:
  Controller(ObjectStore& store, BrokerApi& broker, const PodTemplateBuilder& pods,
             EventRecorder& events, const Clock& clock, ControllerOptions options);
  ~Controller();  // stops
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  void start();  // returns at once; reconciling begins when every kind was listed
  // Stops the BrokerApi for good, lets reconciles under way finish their call, and joins all
  // threads.
  void stop();

  bool broker_reachable() const;
  WorkQueue::Figures work_queue() const;
  // Everything was listed, and no key waits, is worked on, or is among its first retries. What
  // waits for a time (a tick, a brake on scaling) does not count, nor what has long been failing.
  bool idle() const;
  // Blocks until idle() or `timeout`; whether it is.
  bool wait_idle(std::chrono::milliseconds timeout);

  // The injected clock was moved by hand: looks at what is due.
  void wake();

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::op
