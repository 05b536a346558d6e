#include "operator/kube/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <sstream>

#include "operator/kube/client_metrics.h"
#include "operator/kube/resource_path.h"

namespace sluice::kube {
namespace {

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

// The clock of a reconcile that waits for a slow API server runs to many seconds.
const prometheus::Histogram::BucketBoundaries kReconcileSeconds = {0.001, 0.005, 0.02, 0.1,
                                                                   0.5,   2,     10,   60};

// A series for each kind, found once.
class ReconcileMetrics final : public op::ReconcileObserver {
 public:
  explicit ReconcileMetrics(prometheus::Registry& registry) {
    auto& totals = prometheus::BuildCounter()
                       .Name("reconcile_total")
                       .Help("Reconciles by kind and outcome")
                       .Register(registry);
    auto& seconds = prometheus::BuildHistogram()
                        .Name("reconcile_duration_seconds")
                        .Help("How long a reconcile took")
                        .Register(registry);
    for (const auto kind :
         {op::ObjectKind::kQueue, op::ObjectKind::kJob, op::ObjectKind::kSchedule}) {
      const std::string name(kind_name(kind));
      Series& series = series_[static_cast<std::size_t>(kind)];
      series.good = &totals.Add({{"kind", name}, {"result", "success"}});
      series.bad = &totals.Add({{"kind", name}, {"result", "error"}});
      series.seconds = &seconds.Add({{"kind", name}}, kReconcileSeconds);
    }
  }

  void reconciled(op::ObjectKind kind, bool is_error, Duration took) override {
    const auto index = static_cast<std::size_t>(kind);
    // Pods are reconciled under their queue.
    const Series& series = series_[kind == op::ObjectKind::kPod ? 0 : index];
    (is_error ? series.bad : series.good)->Increment();
    series.seconds->Observe(to_seconds(took));
  }

 private:
  struct Series {
    prometheus::Counter* good = nullptr;
    prometheus::Counter* bad = nullptr;
    prometheus::Histogram* seconds = nullptr;
  };
  static_assert(static_cast<int>(op::ObjectKind::kQueue) == 0);
  std::array<Series, 4> series_;
};

}  // namespace

class Metrics::Registry {
 public:
  prometheus::Registry all;
  std::unique_ptr<RequestObserver> api_calls = make_client_metrics(all);
  ReconcileMetrics reconciles{all};
  prometheus::Gauge& depth = gauge(all, "workqueue_depth", "Keys that wait to be reconciled");
  prometheus::Counter& adds = counter(all, "workqueue_adds_total", "Keys added to the queue");
  prometheus::Counter& retries =
      counter(all, "workqueue_retries_total", "Keys put back after a failure");
  op::WorkQueue::Figures counted;
  prometheus::Gauge& leader = gauge(all, "sluice_operator_leader", "1 while this process leads");
  prometheus::Gauge& broker =
      gauge(all, "sluice_operator_broker_reachable", "1 while the broker answers the leader");
};

Metrics::Metrics() : registry_(std::make_unique<Registry>()) {}
Metrics::~Metrics() = default;

RequestObserver& Metrics::api_calls() {
  return *registry_->api_calls;
}

op::ReconcileObserver& Metrics::reconciles() {
  return registry_->reconciles;
}

void Metrics::set_work_queue(const op::WorkQueue::Figures& figures) {
  op::WorkQueue::Figures& counted = registry_->counted;
  registry_->depth.Set(static_cast<double>(figures.depth));
  registry_->adds.Increment(static_cast<double>(figures.adds - counted.adds));
  registry_->retries.Increment(static_cast<double>(figures.retries - counted.retries));
  counted = figures;
}

void Metrics::set_leader(bool is_leader) {
  registry_->leader.Set(is_leader ? 1 : 0);
}

void Metrics::set_broker_reachable(bool is_reachable) {
  registry_->broker.Set(is_reachable ? 1 : 0);
}

std::string Metrics::render() const {
  std::ostringstream text;
  prometheus::TextSerializer{}.Serialize(text, registry_->all.Collect());
  return text.str();
}

}  // namespace sluice::kube
