// What people do to jobs: cancel one or many, run now, reschedule.
#include "broker/server/decode_requests.h"
#include "broker/server/handlers.h"
#include "broker/server/job_filter.h"

namespace sluice::broker {
namespace {

// One job after a step that changed it, or the error of a step that would not.
struct Changed {
  std::optional<QueueNumber> number;
  Result<JobView> view;
};

// A job that the engine does not know may have ended: the store shows it.
Task<Result<FoundJob>> find_ended(Call& call, JobId id, const Changed& reply) {
  if (reply.view.error().code != ErrorCode::kNotFound || !reply.number) {
    co_return reply.view.error();
  }
  auto found = co_await complete_from_store(call, id, FoundJob{reply.number, {}, {}});
  if (!found) co_return std::move(found).error();
  if (!found->stored) co_return no_such_job();
  co_return found;
}

Response job_response(Call& call, const JobShow& job, int status) {
  Response response;
  response.status = status;
  JsonWriter json(response.body);
  write_job(json, call.match.queue, job);
  return response;
}

// `due_at` absent: now.
Task<Response> change_due_date(Call& call, std::optional<TimePoint> due_at) {
  const auto id = parse_uuid(call.match.item);
  if (!id) co_return refuse(call, no_such_job());
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &id, due_at](Engine& engine, Now now, RecordSink& sink) {
    const auto number = engine.queue_number(queue);
    return Changed{number ? std::optional{*number} : std::nullopt,
                   engine.reschedule(queue, *id, due_at.value_or(now.wall), now, sink)};
  };
  const auto reply = co_await ask(call.services.loop, run);
  if (reply.view) co_return job_response(call, show(*reply.view), 200);
  const auto ended = co_await find_ended(call, *id, reply);
  if (!ended) co_return refuse(call, ended.error());
  co_return refuse(call, {ErrorCode::kConflict, "the job has ended"});
}

}  // namespace

Task<Response> cancel_job(Call& call) {
  const auto id = parse_uuid(call.match.item);
  if (!id) co_return refuse(call, no_such_job());
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &id](Engine& engine, Now now, RecordSink& sink) {
    const auto number = engine.queue_number(queue);
    return Changed{number ? std::optional{*number} : std::nullopt,
                   engine.cancel(queue, *id, now, sink)};
  };
  const auto reply = co_await ask(call.services.loop, run);
  if (reply.view) {
    const bool runs = reply.view->state == api::JobState::kRunning;
    co_return job_response(call, show(*reply.view), runs ? 202 : 200);
  }
  const auto ended = co_await find_ended(call, *id, reply);
  if (!ended) co_return refuse(call, ended.error());
  co_return job_response(call, *ended->shown(), 200);
}

// The waiting and running jobs of one stretch of the queue, in order of id, that the filter means.
Task<Response> cancel_jobs(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const auto wanted = decode_cancel_jobs(*body, call.unknown());
  if (!wanted) co_return refuse(call, wanted.error());
  const QueueName& queue = call.match.queue;
  Services& services = call.services;
  const auto number = co_await ask(services.loop, [&queue](Engine& engine, Now, RecordSink&) {
    return engine.queue_number(queue);
  });
  if (!number) co_return refuse(call, number.error());
  const auto page = co_await on_reader(services.readers, [&services, &number, &wanted] {
    return services.store.list(*number, ListScope::kLive, wanted->after,
                               static_cast<std::size_t>(wanted->max), limits::kListRowBudget,
                               services.clock.now().wall, [&wanted](const StoredJob& job) {
                                 return wanted->filter.matches(job.job.created_at, *job.extras);
                               });
  });
  if (!page) co_return refuse(call, page.error());
  struct Cancelled {
    int waiting = 0;
    int running = 0;
  };
  auto run = [&queue, &page, &wanted](Engine& engine, Now now, RecordSink& sink) {
    Cancelled cancelled;
    for (const StoredJob& job : page->jobs) {
      const auto view = engine.find(queue, job.job.id, now);
      if (!view || api::has_ended(view->state)) continue;  // it has ended meanwhile
      if (wanted->filter.state && view->state != *wanted->filter.state) continue;
      if (!engine.cancel(queue, job.job.id, now, sink)) continue;
      ++(view->state == api::JobState::kRunning ? cancelled.running : cancelled.waiting);
    }
    return cancelled;
  };
  const Cancelled cancelled = co_await ask(services.loop, run);
  Response response;
  JsonWriter json(response.body);
  json.begin_object().member("cancelled", cancelled.waiting).member("stopping", cancelled.running);
  if (page->resume_after) json.member("cursor", to_string(*page->resume_after));
  json.end_object();
  co_return response;
}

Task<Response> run_job(Call& call) {
  return change_due_date(call, std::nullopt);
}

Task<Response> reschedule_job(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const TimePoint now = call.services.clock.now().wall;
  const auto due_at = decode_reschedule(*body, now, call.unknown());
  if (!due_at) co_return refuse(call, due_at.error());
  co_return co_await change_due_date(call, *due_at);
}

}  // namespace sluice::broker
