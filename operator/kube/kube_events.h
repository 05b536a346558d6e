// Events as objects of events.k8s.io/v1.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "operator/controller/event_recorder.h"
#include "operator/kube/api_client.h"
#include "operator/kube/event_series.h"
#include "operator/kube/patient_calls.h"

namespace sluice::kube {

struct KubeEventsOptions {
  std::string instance;  // which of the operators it was: the pod's name
  std::uint64_t seed = 1;
  std::size_t waiting_max = 1000;  // beyond it the newest are dropped: status says the same
};

// record() only queues; one thread writes. Threads: any.
class KubeEvents final : public op::EventRecorder {
 public:
  // `client` is used by nothing else: ending this cancels it.
  KubeEvents(ApiClient& client, const Clock& clock, KubeEventsOptions options);
  ~KubeEvents() override;  // what is still queued is dropped
  KubeEvents(const KubeEvents&) = delete;
  KubeEvents& operator=(const KubeEvents&) = delete;

  void record(const op::Object& about, op::EventSeverity severity, const std::string& reason,
              const std::string& message) override;

 private:
  void run();
  void write(const EventFact& fact);
  Status create(const EventFact& fact, const EventSeries::Write& event);
  Status count(const EventFact& fact, const EventSeries::Write& event);

  ApiClient& client_;
  const Clock& clock_;
  const KubeEventsOptions options_;
  PatientCalls calls_;
  EventSeries series_;       // the thread's
  bool is_failing_ = false;  // the thread's
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<EventFact> waiting_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace sluice::kube
