#include "broker/engine/pressure.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace sluice::broker {

using api::Pressure;
using std::chrono::seconds;

namespace {

// One figure beside its threshold; a figure or threshold that is not there matters to nobody.
struct Gauge {
  const char* name;
  const char* unit;
  std::int64_t value = 0;  // age: microseconds, as its threshold
  std::optional<std::int64_t> threshold;
  std::int64_t scale = 1;  // how many of `value` are one of what people read
};

std::array<Gauge, 3> gauges(const api::PressureThreshold& limits, const Load& load) {
  constexpr std::int64_t kSecond = Duration{seconds{1}}.count();
  std::optional<std::int64_t> age_limit;
  if (limits.oldest_seconds) age_limit = *limits.oldest_seconds * kSecond;
  return {Gauge{"the backlog", "", load.backlog, limits.backlog},
          Gauge{"the oldest ready job's age", " s",
                load.oldest_age.value_or(Duration::zero()).count(), age_limit, kSecond},
          Gauge{"the payloads' size", " bytes", load.bytes, limits.bytes}};
}

bool is_reached(const Gauge& gauge) {
  return gauge.threshold && gauge.value >= *gauge.threshold;
}

// The largest value that no longer holds producers off is just below this.
double resume_level(const Gauge& gauge, int percent) {
  return static_cast<double>(*gauge.threshold) * percent / 100;
}

bool any_reached(const api::PressureThreshold& limits, const Load& load) {
  const auto all = gauges(limits, load);
  return std::any_of(all.begin(), all.end(), is_reached);
}

bool holds_off(const Gauge& gauge, int resume_percent) {
  return gauge.threshold && static_cast<double>(gauge.value) >= resume_level(gauge, resume_percent);
}

}  // namespace

Pressure pressure_of(const api::Backpressure& limits, const Load& load, Pressure before) {
  if (any_reached(limits.reject, load)) return Pressure::kReject;
  if (before == Pressure::kReject) {
    for (const Gauge& gauge : gauges(limits.reject, load)) {
      if (holds_off(gauge, limits.resume_percent)) return Pressure::kReject;
    }
  }
  return any_reached(limits.throttle, load) ? Pressure::kThrottle : Pressure::kNone;
}

std::optional<Duration> until_age_matters(const api::Backpressure& limits, const Load& load) {
  if (!load.oldest_age) return std::nullopt;
  std::optional<Duration> next;
  for (const auto& limit : {limits.throttle.oldest_seconds, limits.reject.oldest_seconds}) {
    if (!limit || seconds{*limit} <= *load.oldest_age) continue;
    const Duration wait = seconds{*limit} - *load.oldest_age;
    if (!next || wait < *next) next = wait;
  }
  return next;
}

int retry_after_seconds(const api::Backpressure& limits, const Load& load, Pressure level,
                        double drained_per_second) {
  const bool rejects = level == Pressure::kReject;
  // The share of the backlog that has to go for each figure to fall below its level.
  double share = 0;
  for (const Gauge& gauge : gauges(rejects ? limits.reject : limits.throttle, load)) {
    if (!gauge.threshold || gauge.value <= 0) continue;
    const double level_wanted = resume_level(gauge, rejects ? limits.resume_percent : 100);
    share = std::max(share, 1 - level_wanted / static_cast<double>(gauge.value));
  }
  // At the very threshold one job is too many.
  const double jobs = std::max(1.0, share * static_cast<double>(load.backlog));
  if (load.backlog == 0 || drained_per_second <= 0) return kRetryAfterUnknown;
  constexpr double kRounding = 1e-9;  // 14.000000001 jobs are 14
  const double wait = std::ceil(jobs / drained_per_second - kRounding);
  return static_cast<int>(std::clamp(wait, 1.0, static_cast<double>(kRetryAfterSecondsMax)));
}

std::string describe_rejection(const api::Backpressure& limits, const Load& load) {
  for (const bool reached : {true, false}) {
    for (const Gauge& gauge : gauges(limits.reject, load)) {
      if (!(reached ? is_reached(gauge) : holds_off(gauge, limits.resume_percent))) continue;
      std::string text = std::string(gauge.name) + " is " +
                         std::to_string(gauge.value / gauge.scale) + gauge.unit + ", the limit " +
                         std::to_string(*gauge.threshold / gauge.scale) + gauge.unit;
      if (!reached) text += ", taken again below " + std::to_string(limits.resume_percent) + "%";
      return text;
    }
  }
  return "its limits were reached";
}

}  // namespace sluice::broker
