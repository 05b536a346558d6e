// The JSON shapes of answers: jobs, claims, queues, problems.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/engine/commands.h"
#include "broker/engine/views.h"
#include "broker/server/http_message.h"
#include "broker/server/json_writer.h"
#include "broker/storage/store.h"
#include "common/api/job_protocol.h"
#include "common/base/result.h"

namespace sluice::broker {

// A job from wherever it is known: the engine or the store. Borrows what it points at.
struct JobShow {
  const JobRecord* record = nullptr;
  const JobExtras* extras = nullptr;
  api::JobState state = api::JobState::kReady;
  std::string_view worker;
  std::optional<TimePoint> started_at;
  std::optional<TimePoint> finished_at;
  const std::optional<api::Progress>* progress = nullptr;
  std::string_view result_json;
  std::string_view payload;  // shown when not empty
};
JobShow show(const JobView& view);
JobShow show(const StoredJob& stored);

void write_job(JsonWriter& json, const QueueName& queue, const JobShow& job);

struct ClaimedShow {
  const ClaimGrant& grant;
  const Granted& job;
  const Body& body;
  std::string_view parents_json;  // empty: it depends on none
};
void write_claimed(JsonWriter& json, const ClaimedShow& claimed);

void write_queue(JsonWriter& json, const QueueView& queue);
// {"id","state"}, or {"skipped":true} for a tick its policy dropped.
void write_enqueued(JsonWriter& json, const Enqueued& enqueued);

// A problem document; `instance` is the request's path.
void write_problem(JsonWriter& json, const api::Problem& problem, std::string_view instance);
Response problem_response(const api::Problem& problem, std::string_view instance);
Response problem_response(const Error& error, std::string_view instance);

}  // namespace sluice::broker
