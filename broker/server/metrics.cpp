#include "broker/server/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <limits>
#include <string_view>
#include <utility>

namespace sluice::broker {
namespace {

constexpr std::array<double, 12> kSecondsBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                   0.05,   0.1,   0.25,   0.5,   1,    10};
constexpr std::size_t kRouteSlots = kRoutes + 1;  // the last one: no such call
constexpr int kStatusMin = 200;
constexpr int kStatusMax = 600;

std::string route_label(std::size_t slot) {
  if (slot == kRoutes) return "none";
  const RouteInfo& route = info(static_cast<Route>(slot));
  return std::string{to_string(route.method)}.append(" ").append(route.pattern);
}

}  // namespace

// Requests by route and status, and their time. Written by atomic additions alone: prometheus-cpp's
// own histograms lock.
class Metrics::RequestCounts {
 public:
  void add(std::size_t slot, int status, std::chrono::nanoseconds took) {
    const int code = std::clamp(status, kStatusMin, kStatusMax - 1) - kStatusMin;
    counts_[slot][static_cast<std::size_t>(code)].fetch_add(1, std::memory_order_relaxed);
    const double seconds = std::chrono::duration<double>(took).count();
    std::size_t bucket = 0;
    while (bucket < kSecondsBounds.size() && seconds > kSecondsBounds[bucket]) ++bucket;
    Times& times = times_[slot];
    times.buckets[bucket].fetch_add(1, std::memory_order_relaxed);
    times.nanoseconds.fetch_add(static_cast<std::uint64_t>(took.count()),
                                std::memory_order_relaxed);
  }

  std::vector<prometheus::MetricFamily> collect() const {
    prometheus::MetricFamily requests{"sluice_http_requests_total",
                                      "Answered HTTP requests",
                                      prometheus::MetricType::Counter,
                                      {}};
    prometheus::MetricFamily seconds{"sluice_http_request_seconds",
                                     "From a request's last byte to its answer, waits included",
                                     prometheus::MetricType::Histogram,
                                     {}};
    for (std::size_t slot = 0; slot < kRouteSlots; ++slot) {
      const std::string route = route_label(slot);
      bool any = false;
      for (std::size_t code = 0; code < counts_[slot].size(); ++code) {
        const auto count = counts_[slot][code].load(std::memory_order_relaxed);
        if (count == 0) continue;
        any = true;
        prometheus::ClientMetric metric;
        metric.label = {{"route", route},
                        {"code", std::to_string(code + static_cast<std::size_t>(kStatusMin))}};
        metric.counter.value = static_cast<double>(count);
        requests.metric.push_back(std::move(metric));
      }
      if (any) seconds.metric.push_back(times_[slot].collect(route));
    }
    return {std::move(requests), std::move(seconds)};
  }

 private:
  struct Times {
    std::array<std::atomic<std::uint64_t>, kSecondsBounds.size() + 1> buckets{};
    std::atomic<std::uint64_t> nanoseconds{0};

    prometheus::ClientMetric collect(const std::string& route) const {
      prometheus::ClientMetric metric;
      metric.label = {{"route", route}};
      std::uint64_t total = 0;
      for (std::size_t i = 0; i < buckets.size(); ++i) {
        total += buckets[i].load(std::memory_order_relaxed);
        prometheus::ClientMetric::Bucket bucket;
        bucket.cumulative_count = total;
        bucket.upper_bound =
            i < kSecondsBounds.size() ? kSecondsBounds[i] : std::numeric_limits<double>::infinity();
        metric.histogram.bucket.push_back(bucket);
      }
      metric.histogram.sample_count = total;
      metric.histogram.sample_sum = static_cast<double>(nanoseconds.load()) / 1e9;
      return metric;
    }
  };

  std::array<std::array<std::atomic<std::uint64_t>, kStatusMax - kStatusMin>, kRouteSlots>
      counts_{};
  std::array<Times, kRouteSlots> times_{};
};

namespace {

prometheus::MetricFamily gauges(std::string name, std::string help,
                                const std::vector<QueueView>& queues,
                                double (*value)(const api::QueueFigures&)) {
  prometheus::MetricFamily family{
      std::move(name), std::move(help), prometheus::MetricType::Gauge, {}};
  for (const QueueView& queue : queues) {
    prometheus::ClientMetric metric;
    metric.label = {{"namespace", queue.name.namespace_name}, {"queue", queue.name.name}};
    metric.gauge.value = value(queue.figures);
    family.metric.push_back(std::move(metric));
  }
  return family;
}

template <auto Member>
double figure(const api::QueueFigures& figures) {
  return static_cast<double>(figures.*Member);
}

std::vector<prometheus::MetricFamily> queue_gauges(const std::vector<QueueView>& queues) {
  using F = api::QueueFigures;
  return {
      gauges("sluice_queue_backlog", "Jobs ready, blocked or backing off", queues,
             figure<&F::backlog>),
      gauges("sluice_queue_ready", "Jobs that could start now", queues, figure<&F::ready>),
      gauges("sluice_queue_scheduled", "Jobs not due yet", queues, figure<&F::scheduled>),
      gauges("sluice_queue_running", "Jobs leased to a worker", queues, figure<&F::running>),
      gauges("sluice_queue_dead", "Dead letters", queues, figure<&F::dead>),
      gauges("sluice_queue_bytes", "Payload bytes held", queues, figure<&F::bytes>),
      gauges("sluice_queue_pressure", "0: none, 1: producers are asked to slow down, 2: refused",
             queues, figure<&F::pressure>),
      gauges("sluice_queue_circuit", "0: closed, 1: open, 2: half-open", queues,
             figure<&F::circuit>),
  };
}

// A counter a queue, and a value of `label` where there is one.
struct Total {
  std::string_view label_value;
  std::uint64_t (*value)(const QueueTotals&);
};

prometheus::MetricFamily totals(std::string name, std::string help, std::string_view label,
                                const std::vector<Total>& kinds,
                                const std::vector<QueueView>& queues) {
  prometheus::MetricFamily family{
      std::move(name), std::move(help), prometheus::MetricType::Counter, {}};
  for (const QueueView& queue : queues) {
    for (const Total& kind : kinds) {
      prometheus::ClientMetric metric;
      metric.label = {{"namespace", queue.name.namespace_name}, {"queue", queue.name.name}};
      if (!label.empty()) {
        metric.label.push_back({std::string(label), std::string(kind.label_value)});
      }
      metric.counter.value = static_cast<double>(kind.value(queue.totals));
      family.metric.push_back(std::move(metric));
    }
  }
  return family;
}

template <RunEnd End>
Total run_total() {
  return {to_string(End),
          [](const QueueTotals& t) { return t.run_ends[static_cast<std::size_t>(End)]; }};
}

std::vector<prometheus::MetricFamily> queue_totals(const std::vector<QueueView>& queues) {
  using T = const QueueTotals&;
  return {
      totals("sluice_jobs_enqueued_total", "Jobs accepted", "",
             {{"", [](T t) { return t.enqueued; }}}, queues),
      totals("sluice_jobs_started_total", "Runs handed to workers", "",
             {{"", [](T t) { return t.started; }}}, queues),
      totals("sluice_runs_finished_total", "Runs that ended, by how", "end",
             {run_total<RunEnd::kSucceeded>(), run_total<RunEnd::kFailed>(),
              run_total<RunEnd::kReleased>(), run_total<RunEnd::kTimeout>(),
              run_total<RunEnd::kLeaseLost>(), run_total<RunEnd::kDisrupted>()},
             queues),
      totals("sluice_jobs_finished_total", "Jobs that ended, by the state they ended in", "state",
             {{"Succeeded", [](T t) { return t.succeeded; }},
              {"Dead", [](T t) { return t.dead; }},
              {"Cancelled", [](T t) { return t.cancelled; }}},
             queues),
  };
}

prometheus::MetricFamily total(std::string name, std::string help, double value) {
  prometheus::ClientMetric metric;
  metric.counter.value = value;
  return {std::move(name), std::move(help), prometheus::MetricType::Counter, {metric}};
}

std::vector<prometheus::MetricFamily> loop_totals(const EngineLoop::Stats& loop) {
  return {
      total("sluice_engine_commands_total", "Steps of the engine",
            static_cast<double>(loop.commands)),
      total("sluice_commits_total", "Batches written to the store",
            static_cast<double>(loop.commits)),
      total("sluice_synced_commits_total", "Batches forced to disk",
            static_cast<double>(loop.synced_commits)),
      total("sluice_commit_bytes_total", "Bytes in those batches", static_cast<double>(loop.bytes)),
      total("sluice_commit_seconds_total", "Time spent writing and syncing", loop.commit_seconds),
  };
}

}  // namespace

Metrics::Metrics() : requests_(std::make_unique<RequestCounts>()) {}
Metrics::~Metrics() = default;

void Metrics::request(std::optional<Route> route, int status, std::chrono::nanoseconds took) {
  requests_->add(route ? static_cast<std::size_t>(*route) : kRoutes, status, took);
}

std::string Metrics::render(const std::vector<QueueView>& queues, const EngineLoop::Stats& loop) {
  std::vector<prometheus::MetricFamily> families;
  for (auto more :
       {queue_totals(queues), requests_->collect(), queue_gauges(queues), loop_totals(loop)}) {
    std::move(more.begin(), more.end(), std::back_inserter(families));
  }
  return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace sluice::broker
