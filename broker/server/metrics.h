// What the broker counts, in Prometheus' text form.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/commit/engine_loop.h"
#include "broker/engine/commands.h"
#include "broker/engine/views.h"
#include "broker/server/router.h"
#include "common/api/job_protocol.h"

namespace sluice::broker {

// Any thread. Nothing is labelled by job; queues that are gone leave with their gauges.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  void jobs_enqueued(const QueueName& queue, std::size_t count);
  void jobs_started(const QueueName& queue, std::size_t count);
  void jobs_finished(const QueueName& queue, api::Outcome outcome, std::size_t count);
  // `route` is absent for what matched no call.
  void request(std::optional<Route> route, int status, std::chrono::nanoseconds took);

  // Everything as text, with gauges of these queues and the loop's totals.
  std::string render(const std::vector<QueueView>& queues, const EngineLoop::Stats& loop);

 private:
  class Registry;
  std::unique_ptr<Registry> registry_;
};

}  // namespace sluice::broker
