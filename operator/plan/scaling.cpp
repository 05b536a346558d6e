#include "operator/plan/scaling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/base/check.h"
#include "operator/plan/conditions.h"

namespace sluice::op {
namespace {

using std::chrono::seconds;

double non_negative(double figure) {
  return std::isfinite(figure) && figure > 0 ? figure : 0;
}

// r: what could run now, or will before an idle worker would be let go.
std::int64_t waiting(const api::QueueFigures& figures) {
  return std::max<std::int64_t>(0, figures.dispatchable) +
         std::max<std::int64_t>(0, figures.due_soon);
}

bool is_idle(const api::QueueFigures& figures) {
  return waiting(figures) == 0 && figures.running <= 0;
}

int jobs_at_once(const ScalingInput& input) {
  const int c = std::max(1, input.concurrency);
  return input.max_jobs_per_pod > 0 ? std::min(c, input.max_jobs_per_pod) : c;
}

int ceil_to_int(double workers) {
  // The product of a rate and a time may be 2.0000000000000004, which is 2.
  constexpr double kRounding = 1e-9;
  return static_cast<int>(
      std::min(std::ceil(workers - kRounding), static_cast<double>(kWantedReplicasMax)));
}

// More slots than the queue's limits let jobs start for would stay empty.
double slots_max(const ScalingInput& input, double mean_seconds) {
  double most = std::numeric_limits<double>::infinity();
  if (input.concurrency_limit && input.concurrency_limit->max) {
    most = *input.concurrency_limit->max;
  }
  if (const auto& rate = input.rate_limit) {
    const double per_second = static_cast<double>(rate->limit) / std::max(1, rate->period_seconds);
    most = std::min(most, per_second * mean_seconds);
  }
  return most;
}

int within_bounds(const api::Scaling& scaling, int replicas) {
  return std::max(std::min(replicas, scaling.max_replicas), scaling.min_replicas);
}

Duration until(TimePoint when, TimePoint now) {
  return std::max<Duration>(kRequeueMin, when - now);
}

// Each rule may settle the size; the first that does ends the decision.
class Decision {
 public:
  Decision(const ScalingInput& input, const ScalingMemory& memory, TimePoint now)
      : input_(input), scaling_(input.scaling), now_(now) {
    out_.memory = memory;
    base_ = memory.replicas.value_or(input.current);
    stabilization_ = seconds{scaling_.scale_down_stabilization_seconds};
    // A size found after a restart stands until the window has seen enough to judge it.
    if (!memory.replicas) remember_wish(base_);
  }

  ScalingDecision decide() {
    if (input_.pinned) {
      hold(*input_.pinned, "Pinned", "another manager owns spec.replicas");
    } else if (!input_.figures) {
      hold(within_bounds(scaling_, base_), "UnknownFigures",
           "the broker's figures are not known: the size is held");
    } else if (input_.figures->paused_dispatch) {
      decide_paused();
    } else if (input_.figures->circuit != api::CircuitState::kClosed && has_jobs()) {
      decide_with_open_circuit();
    } else {
      decide_by_demand();
    }
    out_.memory.replicas = out_.replicas;
    return std::move(out_);
  }

 private:
  // The size is not a matter of demand; demand starts anew after it.
  void hold(int replicas, const char* reason, const char* message) {
    out_.memory.idle_since.reset();
    remember_wish(replicas);
    settle(replicas, reason, message);
  }

  void decide_paused() {
    if (!out_.memory.idle_since) out_.memory.idle_since = now_;
    const TimePoint due = *out_.memory.idle_since + seconds{scaling_.idle_seconds};
    const int held = within_bounds(scaling_, base_);
    if (now_ < due && held > scaling_.min_replicas) {
      out_.requeue_after = until(due, now_);
      return settle(held, "DispatchPaused", "dispatch is paused: the size is held for idleSeconds");
    }
    out_.memory.recent.clear();  // nothing can start, so there is nothing to flap
    settle(scaling_.min_replicas, "DispatchPaused", "dispatch is paused");
  }

  bool has_jobs() const { return input_.figures->ready > 0 || !is_idle(*input_.figures); }

  // Somebody has to run the probes; for more there is no use before they have succeeded.
  void decide_with_open_circuit() {
    out_.memory.idle_since.reset();
    const int most = std::max(1, base_);
    const int wish = std::clamp(wanted_replicas(input_), 1, most);
    remember_wish(wish);
    const int held = std::clamp(highest_recent_wish(), wish, most);
    if (held > wish) {
      out_.requeue_after = until(out_.memory.recent.front().at + stabilization_, now_);
    }
    settle(within_bounds(scaling_, held), "CircuitOpen",
           "too many runs failed: no workers are added until the circuit closes");
  }

  void decide_by_demand() {
    const int wanted = wanted_replicas(input_);
    int wish = within_bounds(scaling_, wanted);
    bool idle_hold = false;
    if (is_idle(*input_.figures)) {
      if (!out_.memory.idle_since) out_.memory.idle_since = now_;
      const TimePoint due = *out_.memory.idle_since + seconds{scaling_.idle_seconds};
      idle_hold = now_ < due;
      // What λ still says is the tail of its average: it may hold workers, not order any, and not
      // for longer than idleSeconds. Such wishes are not remembered.
      const int last_worker = std::min(1, base_);
      wish = idle_hold ? std::clamp(wanted, last_worker, std::max(last_worker, base_)) : 0;
      wish = within_bounds(scaling_, wish);
    } else {
      out_.memory.idle_since.reset();
      remember_wish(wish);
    }
    const int target = within_bounds(scaling_, std::max(wish, highest_recent_wish()));
    if (target > base_) return grow(target);
    explain_shrinking(target, wish, wanted, idle_hold);
  }

  void grow(int target) {
    const Duration period = seconds{scaling_.scale_up.period_seconds};
    auto& growth = out_.memory.growth;
    std::erase_if(growth, [&](const auto& g) { return g.at + period <= now_; });
    int allowed = scaling_.scale_up.max_pods;
    for (const ScalingMemory::Wanted& g : growth) allowed -= g.replicas;
    // The first worker of an empty pool never waits.
    allowed = std::max(allowed, base_ == 0 ? 1 : 0);

    const int replicas = within_bounds(scaling_, std::min(target, base_ + allowed));
    if (replicas > base_) growth.push_back({now_, replicas - base_});
    if (replicas < target) {
      if (!growth.empty()) out_.requeue_after = until(growth.front().at + period, now_);
      return settle(replicas, "ScaleUpLimited", "growth waits for scaleUp");
    }
    settle(replicas, "Backlog", "more work than workers");
  }

  void explain_shrinking(int target, int wish, int wanted, bool idle_hold) {
    // Whatever holds the size above the wish, or above zero, lets go at a known time.
    if (idle_hold && target > scaling_.min_replicas) {
      out_.requeue_after = until(*out_.memory.idle_since + seconds{scaling_.idle_seconds}, now_);
    }
    if (target > wish && !out_.memory.recent.empty()) {
      out_.requeue_after = earlier_wait(
          out_.requeue_after, until(out_.memory.recent.front().at + stabilization_, now_));
      return settle(target, "Stabilizing", "fewer are wanted: scaleDown waits for its window");
    }
    if (idle_hold && target > 0) {
      return settle(target, "IdleHold", "no work: the last worker stays for idleSeconds");
    }
    if (out_.memory.idle_since) return settle(target, "Idle", "no work");
    if (wanted > scaling_.max_replicas) {
      return settle(target, "AtMaximum", "more is wanted than maxReplicas allows");
    }
    if (target < base_) return settle(target, "BacklogShrank", "fewer workers do");
    settle(target, "AtDesiredSize", "");
  }

  // Keeps the wishes that may still be the highest of the window: falling, oldest first.
  void remember_wish(int replicas) {
    auto& recent = out_.memory.recent;
    while (!recent.empty() && recent.back().replicas <= replicas) recent.pop_back();
    recent.push_back({now_, replicas});
  }

  int highest_recent_wish() {
    auto& recent = out_.memory.recent;
    std::erase_if(recent, [&](const auto& w) { return w.at + stabilization_ <= now_; });
    return recent.empty() ? 0 : recent.front().replicas;
  }

  void settle(int replicas, const char* reason, const char* message) {
    out_.replicas = replicas;
    out_.reason = reason;
    out_.message = message;
  }

  const ScalingInput& input_;
  const api::Scaling& scaling_;
  TimePoint now_;
  ScalingDecision out_;
  int base_ = 0;  // what growth and shrinking are measured from
  Duration stabilization_{};
};

}  // namespace

double mean_slot_seconds(const ScalingInput& input) {
  const api::QueueFigures& figures = *input.figures;
  const double elapsed = non_negative(figures.running_elapsed_seconds);
  const auto finished = static_cast<double>(std::max<std::int64_t>(0, figures.finished_recently));
  const auto running = static_cast<double>(std::max<std::int64_t>(0, figures.running));
  double mean = 0;
  if (finished > 0) {
    mean = (non_negative(figures.mean_slot_seconds) * finished + elapsed) / finished;
  } else {
    mean = std::max(1.0, running > 0 ? elapsed / running : 0.0);
  }
  if (input.max_jobs_per_pod > 0) {
    mean += to_seconds(input.cold_start) * jobs_at_once(input) / input.max_jobs_per_pod;
  }
  return mean;
}

int wanted_replicas(const ScalingInput& input) {
  CHECK(input.figures.has_value());
  const api::QueueFigures& figures = *input.figures;
  const auto r = static_cast<double>(waiting(figures));
  const auto running = static_cast<double>(std::max<std::int64_t>(0, figures.running));
  int wanted = 0;
  if (input.scaling.drain_seconds) {
    const double m = mean_slot_seconds(input);
    const double phi = std::min(1.0, m / std::max(1, *input.scaling.drain_seconds));
    const double arriving = non_negative(figures.ready_per_second) * m;  // Little's law
    const double slots = std::max(arriving, phi * running) + phi * r;
    wanted = ceil_to_int(std::min(slots, slots_max(input, m)) / jobs_at_once(input));
  }
  if (input.scaling.backlog_per_worker) {
    const double share = std::max(1, *input.scaling.backlog_per_worker);
    wanted = std::max(wanted, ceil_to_int((r + running) / share));
  }
  return std::max(0, wanted);
}

ScalingDecision decide_scale(const ScalingInput& input, const ScalingMemory& memory,
                             TimePoint now) {
  return Decision(input, memory, now).decide();
}

}  // namespace sluice::op
