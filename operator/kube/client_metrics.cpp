#include "operator/kube/client_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace sluice::kube {
namespace {

// client-go's buckets.
const prometheus::Histogram::BucketBoundaries kLatencySeconds{0.005, 0.025, 0.1, 0.25, 0.5,  1.0,
                                                              2.0,   4.0,   8.0, 15.0, 30.0, 60.0};

class ClientMetrics final : public RequestObserver {
 public:
  explicit ClientMetrics(prometheus::Registry& registry)
      : requests_(prometheus::BuildCounter()
                      .Name("rest_client_requests_total")
                      .Help("Requests to the API server, by status code, method and host.")
                      .Register(registry)),
        durations_(prometheus::BuildHistogram()
                       .Name("rest_client_request_duration_seconds")
                       .Help("Time until the head of the answer, by verb and host.")
                       .Register(registry)) {}

  void request_ended(std::string_view method, std::string_view host, int code,
                     Duration latency) override {
    prometheus::Counter* count = nullptr;
    prometheus::Histogram* duration = nullptr;
    {
      const std::scoped_lock lock(mutex_);
      Series& series = series_[{std::string(method), std::string(host)}];
      if (series.duration == nullptr) {
        series.duration = &durations_.Add(
            {{"verb", std::string(method)}, {"host", std::string(host)}}, kLatencySeconds);
      }
      duration = series.duration;
      prometheus::Counter*& cached = series.by_code[code];
      if (cached == nullptr) {
        cached = &requests_.Add({{"code", code == 0 ? "<error>" : std::to_string(code)},
                                 {"method", std::string(method)},
                                 {"host", std::string(host)}});
      }
      count = cached;
    }
    count->Increment();
    duration->Observe(to_seconds(latency));
  }

 private:
  struct Series {
    prometheus::Histogram* duration = nullptr;
    std::map<int, prometheus::Counter*> by_code;
  };

  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& durations_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Series> series_;
};

}  // namespace

std::unique_ptr<RequestObserver> make_client_metrics(prometheus::Registry& registry) {
  return std::make_unique<ClientMetrics>(registry);
}

}  // namespace sluice::kube
