// Which jobs a list or a cancellation means.
#pragma once

#include <optional>
#include <string_view>

#include "broker/engine/types.h"
#include "broker/server/members.h"

namespace sluice::broker {

struct JobFilter {
  std::optional<api::JobState> state;
  api::Labels labels;  // all of these
  std::optional<TimePoint> created_before;
  std::optional<TimePoint> created_after;

  // All but the state, which the engine knows best.
  bool matches(TimePoint created_at, const JobExtras& extras) const;
};

// "a=1,b=2" of a query. kInvalidArgument.
Result<api::Labels> parse_label_query(std::string_view text);

struct CancelJobsCall {
  JobFilter filter;
  int max = limits::kListMax;
  std::optional<JobId> after;  // where an earlier call stopped
};
// A filter that names nothing is refused: nobody cancels a whole queue by a slip.
Result<CancelJobsCall> decode_cancel_jobs(JsonView body, UnknownMembers unknown);

}  // namespace sluice::broker
