// The bodies producers send, checked member by member.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/engine/commands.h"
#include "broker/engine/groups.h"
#include "broker/server/members.h"

namespace sluice::broker {

struct DecodeJobOptions {
  UnknownMembers unknown = UnknownMembers::kRefuse;
  std::int64_t payload_bytes_max = 0;
  std::string traceparent;                     // of the request; ignored when malformed
  std::optional<std::string> idempotency_key;  // of the header
};

// One job. The payload's bytes are those of the body. kInvalidArgument, kTooLarge (the payload).
Result<NewJob> decode_new_job(JsonView body, const DecodeJobOptions& options);

// A job in a settlement's `enqueue`: the members of a job but those that tell it from others, and
// `queue`, which is `own` where it is not given. The payload's size is the engine's to check.
Result<FollowUp> decode_follow_up(JsonView body, const QueueName& own, UnknownMembers unknown);

// {"url","secretName"}: a URL that a request can be sent to, and the name of a secret.
Result<api::Callback> decode_callback(JsonView value, UnknownMembers unknown);

// {"jobs":[…],"group":{…}}: each job or what is wrong with it.
struct NewBatch {
  std::vector<Result<NewJob>> jobs;
  std::optional<NewGroup> group;
};
// An error when the batch itself is malformed.
Result<NewBatch> decode_batch(JsonView body, const DecodeJobOptions& options);

}  // namespace sluice::broker
