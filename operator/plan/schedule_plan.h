// Which ticks of a Schedule fire now, and when the next one is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/api/resources.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/plan/conditions.h"

namespace sluice::op {

struct ScheduleStatus {
  std::vector<Condition> conditions;  // Ready
  std::optional<TimePoint> last_schedule_time;
  std::optional<TimePoint> next_schedule_time;
  struct Recent {
    TimePoint tick;
    std::string job_id;  // empty: skipped
    std::string result;  // "Enqueued", "Skipped", "Missed"
  };
  std::vector<Recent> recent;  // newest first, at most historyLimit
  int running = 0;
};

struct ScheduleInput {
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  TimePoint created_at;
  std::optional<api::ScheduleSpec> spec;
  std::optional<Error> decode_error;
  ScheduleStatus status_before;
  bool broker_reachable = true;
  bool queue_exists = true;
  std::optional<TimePoint> last_tick;  // durable in the broker; absent: none yet
  bool last_tick_known = false;
  std::string trigger_token;  // of the annotation sluice.dev/trigger; fires once per token
  std::string last_trigger_token;
};

struct SchedulePlan {
  std::vector<TimePoint> fire;  // oldest first; at most catchUp.max
  bool trigger = false;         // enqueue once, now, under the trigger's token
  ScheduleStatus status;
  std::optional<Duration> requeue_after;  // until the next tick
};

// Later than this, a tick is caught up rather than on time: catchUp None drops it.
inline constexpr Duration kOnTime = std::chrono::seconds{30};

// Notes what became of `tick` (or of a trigger, whose tick is the time it fired): the caller's,
// once the broker has answered.
void record_tick(ScheduleStatus& status, const ScheduleStatus::Recent& recent, int history_limit);

// When `tick` fires: at most jitterSeconds later, and before the tick that follows it.
TimePoint due_time(const std::string& uid, TimePoint tick, std::optional<TimePoint> following,
                   int jitter_seconds);

// Pure, and of bounded work however long nobody looked (SURVIVAL 9). The newest tick in `recent`
// and `last_tick` say up to where ticks are done with; the status has to be stored when its Ready
// condition changes. Ticks while suspended are dropped; those older than startingDeadlineSeconds
// are missed; catch-up follows its policy and never exceeds its maximum.
SchedulePlan plan_schedule(const ScheduleInput& input, TimePoint now);

}  // namespace sluice::op
