// What a step of the engine did besides its reply.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/engine/commands.h"

namespace sluice::broker {

// Leaves the broker only when every batch up to the step's own is durable.
struct Effects {
  struct WokenClaim {
    WaiterId waiter = 0;
    Result<ClaimGrant> grant;
  };
  std::vector<WokenClaim> claims;
  std::vector<JobId> ended;  // of the watched jobs
  struct JobEnd {
    QueueName queue;
    JobId id;
    api::JobState state = api::JobState::kSucceeded;
    TimePoint at;
    std::string reason;  // of a dead one
  };
  std::vector<JobEnd> ends;  // of all jobs in queues somebody listens to
  // Callback queues with something to deliver that may start.
  std::vector<std::pair<QueueName, QueueNumber>> deliveries;
  bool outcomes_changed = false;
  std::vector<api::QueueSignal> signals;

  bool empty() const {
    return claims.empty() && ended.empty() && ends.empty() && deliveries.empty() &&
           !outcomes_changed && signals.empty();
  }
};

}  // namespace sluice::broker
