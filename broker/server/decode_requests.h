// The bodies workers, the operator and people send, checked member by member.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/engine/commands.h"
#include "broker/engine/views.h"
#include "broker/server/members.h"

namespace sluice::broker {

struct ClaimCall {
  ClaimRequest request;
  int wait_seconds = 0;
};
Result<ClaimCall> decode_claim(JsonView body, const QueueName& queue, UnknownMembers unknown);

struct ExtendCall {
  ExtendRequest request;
  std::vector<std::string> ids;  // as they were written, for the answer
};
Result<ExtendCall> decode_extend(JsonView body, const QueueName& queue, UnknownMembers unknown);

// One settlement, or what is wrong with it.
struct SettleItem {
  std::string id;  // as it was written
  Result<SettleRequest> request;
};
Result<std::vector<SettleItem>> decode_settle(JsonView body, const QueueName& queue,
                                              UnknownMembers unknown);

Result<ConfigureRequest> decode_configure(JsonView body, const QueueName& queue,
                                          UnknownMembers unknown);

struct PauseCall {
  std::optional<bool> enqueue;
  std::optional<bool> dispatch;
};
Result<PauseCall> decode_pause(JsonView body, UnknownMembers unknown);

// Ids that are not UUIDs name no job, and are passed over.
Result<std::vector<JobId>> decode_acknowledge(JsonView body, UnknownMembers unknown);

Result<DeadFilter> decode_dead_filter(JsonView body, UnknownMembers unknown);

struct RedriveCall {
  DeadFilter filter;
  int per_second = 1'000;
};
Result<RedriveCall> decode_redrive(JsonView body, UnknownMembers unknown);

// {"runAt"} or {"delaySeconds"}: when the job is due.
Result<TimePoint> decode_reschedule(JsonView body, TimePoint now, UnknownMembers unknown);

struct WorkerCall {
  std::optional<std::string> instance;
  std::optional<GoneCause> cause;
};
// `takes_cause`: of :gone, where it is required.
Result<WorkerCall> decode_worker_call(JsonView body, bool takes_cause, UnknownMembers unknown);

}  // namespace sluice::broker
