#include <nlohmann/json.hpp>

#include "common/api/decode_spec.h"
#include "common/api/limits.h"

namespace sluice::api {
namespace {

CatchUp read_catch_up(FieldReader& reader) {
  CatchUp catch_up;
  reader.choice("policy", {CatchUpPolicy::kLast, CatchUpPolicy::kAll, CatchUpPolicy::kNone},
                catch_up.policy);
  reader.whole("max", {1, kCatchUpMax}, catch_up.max);
  reader.finish();
  return catch_up;
}

}  // namespace

ScheduleSpec read_schedule_spec(FieldReader& reader) {
  ScheduleSpec spec;
  reader.require("schedule");
  reader.text("schedule", {1, kCronCharactersMax}, spec.schedule);
  reader.text("timeZone", {1, kTimeZoneCharactersMax}, spec.time_zone);
  reader.choice("concurrencyPolicy",
                {ConcurrencyPolicy::kAllow, ConcurrencyPolicy::kForbid, ConcurrencyPolicy::kReplace,
                 ConcurrencyPolicy::kEnqueue},
                spec.concurrency_policy);
  reader.whole("startingDeadlineSeconds", {1, kYearSeconds}, spec.starting_deadline_seconds);
  if (auto catch_up = reader.object("catchUp")) spec.catch_up = read_catch_up(*catch_up);
  reader.whole("jitterSeconds", {0, kDaySeconds}, spec.jitter_seconds);
  reader.whole("prewarmSeconds", {0, kDaySeconds}, spec.prewarm_seconds);
  reader.flag("suspend", spec.suspend);
  reader.whole("historyLimit", {0, kHistoryMax}, spec.history_limit);
  reader.require("jobTemplate");
  if (auto job_template = reader.object("jobTemplate")) {
    job_template->require("spec");
    if (auto job = job_template->object("spec")) spec.job_template = read_job_template(*job);
    job_template->finish();
  }
  reader.finish();
  return spec;
}

}  // namespace sluice::api
