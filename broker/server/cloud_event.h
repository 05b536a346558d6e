// CloudEvents 1.0 as jobs: the JSON event is the payload, and its source and id are its key.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/server/decode_jobs.h"

namespace sluice::broker {

// "application/cloudevents+json", whatever parameters follow.
bool is_cloud_event(std::string_view content_type);

// An event in binary mode as the JSON of structured mode: attributes from the `ce-` headers (names
// without it), `data` the body's bytes. kInvalidArgument: a malformed header.
using EventHeaders = std::vector<std::pair<std::string, std::string>>;
Result<std::string> to_structured_event(const EventHeaders& headers, std::string_view data);

// A job of the queue's defaults. An idempotency key of the request's header stands before the
// event's own. kInvalidArgument, kTooLarge.
Result<NewJob> decode_cloud_event(JsonView event, const DecodeJobOptions& options);

}  // namespace sluice::broker
