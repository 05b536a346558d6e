// What the broker counts, in Prometheus' text form.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/commit/engine_loop.h"
#include "broker/engine/commands.h"
#include "broker/engine/views.h"
#include "broker/server/router.h"

namespace sluice::broker {

// Counts requests; what became of jobs the engine has counted. Any thread. Nothing is labelled by
// job; queues that are gone leave with their figures.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // `route` is absent for what matched no call.
  void request(std::optional<Route> route, int status, std::chrono::nanoseconds took);

  // Everything as text, with totals and gauges of these queues and the loop's totals.
  std::string render(const std::vector<QueueView>& queues, const EngineLoop::Stats& loop);

 private:
  class RequestCounts;
  std::unique_ptr<RequestCounts> requests_;
};

}  // namespace sluice::broker
