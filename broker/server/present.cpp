#include "broker/server/present.h"

#include "common/api/decode.h"

namespace sluice::broker {
namespace {

void write_run(JsonWriter& json, const Run& run) {
  json.begin_object()
      .member("startedAt", run.started_at)
      .member("finishedAt", run.finished_at)
      .member("end", to_string(run.end))
      .member_if_set("worker", run.worker)
      .member_if_set("reason", run.reason)
      .member_if_set("message", run.message)
      .member("exitCode", run.exit_code)
      .member("httpStatus", run.http_status)
      .end_object();
}

void write_extras(JsonWriter& json, const JobExtras& extras) {
  if (!extras.labels.empty()) {
    json.key("labels").begin_object();
    for (const auto& [name, value] : extras.labels) json.member(name, value);
    json.end_object();
  }
  if (extras.group) json.member("group", to_string(*extras.group));
  json.member_if_set("tenant", extras.tenant)
      .member_if_set("key", extras.key)
      .member_if_set("uniqueKey", extras.unique_key)
      .member("expiresAt", extras.expires_at)
      .member("timeoutSeconds", extras.timeout_seconds)
      .member("ttlSecondsAfterFinished", extras.ttl_seconds_after_finished);
  if (extras.retry) json.key("retry").raw(api::encode(*extras.retry));
  if (!extras.depends_on.empty()) {
    json.key("dependsOn").begin_array();
    for (const JobId& id : extras.depends_on) json.value(to_string(id));
    json.end_array();
    json.member("onParentFailure", api::to_string(extras.on_parent_failure));
  }
  if (extras.callback) {
    json.key("callback")
        .begin_object()
        .member("url", extras.callback->url)
        .member_if_set("secretName", extras.callback->secret_name)
        .end_object();
  }
  if (extras.source) {
    json.key("source")
        .begin_object()
        .member("kind", extras.source->kind)
        .member("uid", extras.source->uid)
        .member("name", extras.source->name)
        .end_object();
  }
  if (extras.schedule_tick) {
    json.key("schedule")
        .begin_object()
        .member("uid", extras.schedule_uid)
        .member("tick", extras.schedule_tick)
        .end_object();
  }
  if (extras.error) {
    json.key("error")
        .begin_object()
        .member("reason", extras.error->reason)
        .member("message", extras.error->message)
        .member("exitCode", extras.error->exit_code)
        .member("httpStatus", extras.error->http_status)
        .end_object();
  }
  if (!extras.history.empty()) {
    json.key("history").begin_array();
    for (const Run& run : extras.history) write_run(json, run);
    json.end_array();
  }
}

}  // namespace

JobShow show(const JobView& view) {
  return {.record = &view.record,
          .extras = &view.extras,
          .state = view.state,
          .worker = view.worker.empty() ? view.extras.worker : view.worker,
          .started_at = view.started_at ? view.started_at : view.extras.started_at,
          .finished_at = view.record.finished_at,
          .progress = &view.progress};
}

JobShow show(const StoredJob& stored) {
  return {.record = &stored.job,
          .extras = stored.extras.get(),
          .state = stored.state,
          .worker = stored.extras->worker,
          .started_at = stored.extras->started_at,
          .finished_at = stored.finished_at,
          .result_json = stored.result_json};
}

void write_job(JsonWriter& json, const QueueName& queue, const JobShow& job) {
  const JobRecord& record = *job.record;
  json.begin_object()
      .member("id", to_string(record.id))
      .member("namespace", queue.namespace_name)
      .member("queue", queue.name)
      .member("state", api::to_string(job.state))
      .member("attempts", record.attempts)
      .member("leaseLosses", record.lease_losses)
      .member("releases", record.releases)
      .member("priority", record.priority)
      .member("createdAt", record.created_at)
      .member("dueAt", record.due_at)
      .member("startedAt", job.started_at)
      .member("finishedAt", job.finished_at)
      .member_if_set("worker", job.worker);
  if (record.cancel_requested) json.member("cancelRequested", true);
  if (job.progress != nullptr && *job.progress) {
    json.key("progress")
        .begin_object()
        .member("ratio", (*job.progress)->ratio)
        .member("message", (*job.progress)->message)
        .end_object();
  }
  write_extras(json, *job.extras);
  if (!job.result_json.empty()) json.key("result").raw(job.result_json);
  if (!job.payload.empty()) json.key("payload").raw(job.payload);
  json.end_object();
}

void write_claimed(JsonWriter& json, const ClaimedShow& claimed) {
  json.begin_object()
      .member("id", to_string(claimed.job.id))
      .member("lease", format_lease(claimed.grant.claim))
      .member("attempt", claimed.job.attempt)
      .key("payload")
      .raw(claimed.body.payload)
      .member("leaseSeconds", claimed.grant.lease_seconds)
      .member("timeoutSeconds", claimed.job.timeout_seconds)
      .member("deadline", claimed.job.deadline)
      .member_if_set("traceparent", claimed.body.traceparent);
  if (!claimed.parents_json.empty()) json.key("parents").raw(claimed.parents_json);
  json.end_object();
}

void write_queue(JsonWriter& json, const QueueView& queue) {
  json.begin_object()
      .member("namespace", queue.name.namespace_name)
      .member("queue", queue.name.name)
      .member_if_set("uid", queue.uid);
  if (!queue.uid.empty()) json.member("generation", queue.generation);
  if (queue.retained) json.member("retained", true);
  json.key("spec").raw(api::encode(queue.spec));
  json.key("pauseOverride")
      .begin_object()
      .member("enqueue", queue.pause_override.enqueue)
      .member("dispatch", queue.pause_override.dispatch)
      .end_object();
  json.key("figures").raw(api::encode(queue.figures));
  json.key("workers").raw(api::encode(queue.workers));
  json.end_object();
}

void write_enqueued(JsonWriter& json, const Enqueued& enqueued) {
  json.begin_object();
  if (enqueued.skipped) {
    json.member("skipped", true);
  } else {
    json.member("id", to_string(enqueued.id));
    if (enqueued.state) json.member("state", api::to_string(*enqueued.state));
    if (enqueued.replaced) json.member("replaced", to_string(*enqueued.replaced));
  }
  json.end_object();
}

void write_problem(JsonWriter& json, const api::Problem& problem, std::string_view instance) {
  json.begin_object()
      .member("type", problem.type)
      .member("title", problem.title)
      .member("status", problem.status)
      .member_if_set("detail", problem.detail)
      .member_if_set("instance", instance)
      .member_if_set("field", problem.field)
      .member("retryAfterSeconds", problem.retry_after_seconds)
      .end_object();
}

Response problem_response(const api::Problem& problem, std::string_view instance) {
  Response response;
  response.status = problem.status;
  response.content_type = "application/problem+json";
  response.retry_after_seconds = problem.retry_after_seconds;
  JsonWriter json(response.body);
  write_problem(json, problem, instance);
  return response;
}

Response problem_response(const Error& error, std::string_view instance) {
  return problem_response(api::to_problem(error), instance);
}

}  // namespace sluice::broker
