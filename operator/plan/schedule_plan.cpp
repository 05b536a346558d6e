#include "operator/plan/schedule_plan.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "operator/plan/cron.h"
#include "operator/plan/stable_hash.h"

namespace sluice::op {
namespace {

using std::chrono::seconds;

constexpr Duration kTickUnit{1};               // ticks after T are those at T + 1 µs or later
constexpr Duration kBrokerRetry = seconds{5};  // where no event says that the broker is back
constexpr Duration kQueueRetry = seconds{30};  // where no event says that the queue is there
constexpr Duration kAheadMax = seconds{60};    // a last tick further ahead: a clock was set back
constexpr int kCaughtUpMax = 1000;             // whatever catchUp.max says

// The reasons for which ticks pass without being run, and what is noted of them afterwards.
const char* parked_result(const Condition* ready) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 5> kParked = {{
      {"Suspended", "Skipped"},
      {"InvalidSpec", "Skipped"},
      {"InvalidSchedule", "Skipped"},
      {"InvalidTimeZone", "Skipped"},
      {"QueueNotFound", "Missed"},
  }};
  if (ready == nullptr) return nullptr;
  for (const auto& [reason, result] : kParked) {
    if (ready->reason == reason) return result;
  }
  return nullptr;
}

class SchedulePlanner {
 public:
  SchedulePlanner(const ScheduleInput& input, TimePoint now) : input_(input), now_(now) {
    out_.status = input.status_before;
    if (input.last_tick) out_.status.last_schedule_time = input.last_tick;
  }

  SchedulePlan plan() {
    if (input_.decode_error || !input_.spec) {
      park("False", "InvalidSpec",
           input_.decode_error ? input_.decode_error->message : "there is no spec");
      return std::move(out_);
    }
    spec_ = &*input_.spec;
    if (can_enqueue()) {
      out_.trigger =
          !input_.trigger_token.empty() && input_.trigger_token != input_.last_trigger_token;
    }
    auto cron = Cron::parse(spec_->schedule, input_.namespace_name + "/" + input_.name);
    if (!cron) {
      park("False", "InvalidSchedule", "spec.schedule: " + cron.error().message);
    } else if (!is_time_zone(spec_->time_zone)) {
      park("False", "InvalidTimeZone",
           "spec.timeZone: \"" + cut_text(spec_->time_zone, 64) + "\" is not known");
    } else if (spec_->suspend) {
      park("False", "Suspended", "spec.suspend is set");
    } else if (!input_.queue_exists) {
      park("False", "QueueNotFound", "there is no queue \"" + spec_->job_template.queue + "\" yet");
      out_.requeue_after = kQueueRetry;
    } else if (!input_.broker_reachable || !input_.last_tick_known) {
      // Ticks wait: catch-up decides on them when the broker is back.
      set_ready("Unknown", "BrokerUnavailable", "the broker cannot be reached");
      out_.requeue_after = kBrokerRetry;
    } else {
      cron_ = &*cron;
      run();
    }
    return std::move(out_);
  }

 private:
  bool can_enqueue() const { return input_.broker_reachable && input_.queue_exists; }

  void park(const char* status, const char* reason, std::string message) {
    out_.status.next_schedule_time.reset();
    set_ready(status, reason, std::move(message));
  }

  void run() {
    TimePoint done = done_up_to();
    if (const char* result = passed_result()) done = drop_until_now(done, result);
    choose(done);

    const TimePoint handled = std::max(done, now_);
    if (waiting_) {
      out_.status.next_schedule_time = waiting_->tick;
      wake_at(waiting_->due);
    } else if (const auto tick = next(handled)) {
      out_.status.next_schedule_time = tick;
      wake_at(due_time(input_.uid, *tick, next(*tick), spec_->jitter_seconds));
    } else {
      out_.status.next_schedule_time.reset();
    }
    say_ready(done);
  }

  // Ticks up to here were run, missed or dropped.
  TimePoint done_up_to() const {
    TimePoint done = input_.created_at;
    if (input_.last_tick) done = std::max(done, *input_.last_tick);
    for (const auto& recent : input_.status_before.recent) {
      if (recent.result == "Skipped" || recent.result == "Missed") {
        done = std::max(done, recent.tick);
      }
    }
    return done;
  }

  // Non-null when the ticks up to now passed under a spec or a state that did not run them.
  const char* passed_result() const {
    const Condition* ready = find_condition(input_.status_before.conditions, "Ready");
    if (const char* result = parked_result(ready)) return result;
    // A new expression begins now, unless the old one had a tick due that was not run.
    const auto& expected = input_.status_before.next_schedule_time;
    const bool changed = ready != nullptr && ready->observed_generation != input_.generation;
    return changed && expected && *expected > now_ ? "Skipped" : nullptr;
  }

  TimePoint drop_until_now(TimePoint done, const char* result) {
    const auto tick = last(now_);
    if (!tick || *tick <= done) return done;
    note({*tick, "", result});
    return *tick;
  }

  // The newest ticks that are due, as many as the policy allows. Looks back from now, so years of
  // absence cost no more than a minute of it (SURVIVAL 9).
  void choose(TimePoint done) {
    const bool all = spec_->catch_up.policy == api::CatchUpPolicy::kAll;
    const int limit = all ? std::clamp(spec_->catch_up.max, 1, kCaughtUpMax) : 1;
    const TimePoint oldest = now_ - seconds{spec_->starting_deadline_seconds};
    std::optional<TimePoint> following = next(now_);
    std::optional<TimePoint> tick = last(now_);
    std::optional<TimePoint> missed;
    while (tick && *tick > done) {
      const TimePoint due = due_time(input_.uid, *tick, following, spec_->jitter_seconds);
      if (due > now_) {
        waiting_ = {*tick, due};
      } else if (may_run(due, oldest) && static_cast<int>(out_.fire.size()) < limit) {
        out_.fire.push_back(*tick);
      } else {
        missed = tick;
        break;
      }
      following = tick;
      tick = last(*tick - kTickUnit);
    }
    std::reverse(out_.fire.begin(), out_.fire.end());
    if (missed) note({*missed, "", "Missed"});
  }

  bool may_run(TimePoint due, TimePoint oldest) const {
    if (due < oldest) return false;
    return spec_->catch_up.policy != api::CatchUpPolicy::kNone || now_ - due <= kOnTime;
  }

  void say_ready(TimePoint done) {
    if (done > now_ + kAheadMax) {
      return set_ready("False", "LastTickAhead",
                       "the last tick lies ahead of the clock: was it set back?");
    }
    if (!out_.status.next_schedule_time) {
      return set_ready("False", "NeverDue", "the schedule names no time in the next 8 years");
    }
    set_ready("True", "Scheduled",
              spec_->prewarm_seconds > 0 ? "not built yet and left out: spec.prewarmSeconds" : "");
  }

  void set_ready(const char* status, const char* reason, std::string message) {
    std::vector<Condition> wanted;
    wanted.push_back({.type = "Ready",
                      .status = status,
                      .reason = reason,
                      .message = std::move(message),
                      .last_transition_time = now_,
                      .observed_generation = input_.generation});
    out_.status.conditions =
        merge_conditions(input_.status_before.conditions, std::move(wanted), now_);
  }

  void note(const ScheduleStatus::Recent& recent) {
    record_tick(out_.status, recent, spec_->history_limit);
  }

  void wake_at(TimePoint when) {
    out_.requeue_after = std::max<Duration>(kRequeueMin, when - now_);
  }

  // The zone is known, so these cannot fail.
  std::optional<TimePoint> next(TimePoint after) const {
    const auto tick = cron_->next(after, spec_->time_zone);
    return tick ? *tick : std::nullopt;
  }
  std::optional<TimePoint> last(TimePoint until) const {
    const auto tick = cron_->last(until, spec_->time_zone);
    return tick ? *tick : std::nullopt;
  }

  struct Waiting {
    TimePoint tick;
    TimePoint due;
  };

  const ScheduleInput& input_;
  TimePoint now_;
  SchedulePlan out_;
  const api::ScheduleSpec* spec_ = nullptr;
  const Cron* cron_ = nullptr;
  std::optional<Waiting> waiting_;  // a tick that jitter has not let fire yet
};

}  // namespace

SchedulePlan plan_schedule(const ScheduleInput& input, TimePoint now) {
  return SchedulePlanner(input, now).plan();
}

void record_tick(ScheduleStatus& status, const ScheduleStatus::Recent& recent, int history_limit) {
  auto& all = status.recent;
  std::erase_if(
      all, [&](const auto& one) { return one.tick == recent.tick && one.job_id == recent.job_id; });
  const auto place = std::find_if(all.begin(), all.end(),
                                  [&](const auto& one) { return one.tick <= recent.tick; });
  all.insert(place, recent);
  // The newest stays whatever the limit: it may be what says up to where ticks are done with.
  const auto kept = static_cast<std::size_t>(std::max(1, history_limit));
  if (all.size() > kept) all.resize(kept);
  if (recent.result != "Enqueued") return;
  status.last_schedule_time = std::max(status.last_schedule_time, std::optional(recent.tick));
}

TimePoint due_time(const std::string& uid, TimePoint tick, std::optional<TimePoint> following,
                   int jitter_seconds) {
  std::int64_t places = std::max(0, jitter_seconds) + std::int64_t{1};
  if (following) {
    const auto gap = std::chrono::floor<seconds>(*following - tick).count();
    places = std::clamp<std::int64_t>(gap, 1, places);
  }
  const std::uint64_t hash =
      StableHash{}.add(uid).add(std::int64_t{tick.time_since_epoch().count()}).value();
  return tick + seconds{static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(places))};
}

}  // namespace sluice::op
