// What the operator counts, in Prometheus' text form.
#pragma once

#include <memory>
#include <string>

#include "operator/controller/reconcile_observer.h"
#include "operator/controller/work_queue.h"
#include "operator/kube/rest_client.h"

namespace sluice::kube {

// Any thread.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // For the clients of the API server.
  RequestObserver& api_calls();
  // For the controller.
  op::ReconcileObserver& reconciles();
  // One thread at a time.
  void set_work_queue(const op::WorkQueue::Figures& figures);
  void set_leader(bool is_leader);
  void set_broker_reachable(bool is_reachable);

  std::string render() const;

 private:
  class Registry;
  std::unique_ptr<Registry> registry_;
};

}  // namespace sluice::kube
