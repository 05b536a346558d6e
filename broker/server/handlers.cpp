#include "broker/server/handlers.h"

#include "broker/server/limits.h"
#include "common/base/check.h"

namespace sluice::broker {

Handler handler_of(Route route) {
  switch (route) {
    case Route::kClaim:
      return claim;
    case Route::kSettle:
      return settle;
    case Route::kEnqueue:
      return enqueue;
    case Route::kExtend:
      return extend;
    case Route::kEnqueueBatch:
      return enqueue_batch;
    case Route::kGetJob:
      return get_job;
    case Route::kListJobs:
      return list_jobs;
    case Route::kCancelJob:
      return cancel_job;
    case Route::kRunJob:
      return run_job;
    case Route::kReschedule:
      return reschedule_job;
    case Route::kCancelJobs:
      return cancel_jobs;
    case Route::kAcknowledge:
      return acknowledge;
    case Route::kPutQueue:
      return put_queue;
    case Route::kGetQueue:
      return get_queue;
    case Route::kDeleteQueue:
      return delete_queue;
    case Route::kPause:
      return pause_queue;
    case Route::kResume:
      return resume_queue;
    case Route::kDrainWorker:
      return drain_worker;
    case Route::kUndrainWorker:
      return undrain_worker;
    case Route::kWorkerGone:
      return worker_gone;
    case Route::kRedrive:
      return redrive;
    case Route::kGetRedrive:
      return get_redrive;
    case Route::kCancelRedrive:
      return cancel_redrive;
    case Route::kPurge:
      return purge;
    case Route::kGetGroup:
      return get_group;
    case Route::kGetSchedule:
      return get_schedule;
    case Route::kListQueues:
      return list_queues;
    case Route::kOutcomes:
      return outcomes;
    case Route::kSignals:
    case Route::kEvents:
      return nullptr;
    case Route::kCreateBackup:
      return create_backup;
    case Route::kListBackups:
      return list_backups;
    case Route::kDeleteBackup:
      return delete_backup;
    case Route::kHealthz:
      return healthz;
    case Route::kReadyz:
      return readyz;
    case Route::kMetrics:
      return metrics;
    case Route::kOpenApi:
      return openapi;
  }
  CHECK(false);
  return nullptr;
}

Result<JsonView> body_of(Call& call) {
  if (!call.request.has_body) call.request.body = "{}";
  auto valid = call.thread.validator.check(call.request.body);
  if (!valid) return std::move(valid).error();
  return JsonView{call.request.body};
}

Response refuse(const Call& call, const Error& error) {
  return problem_response(error, call.request.path());
}

Response refuse_access(const Error& error, std::string_view path) {
  api::Problem problem = api::to_problem(error);
  if (error.code == ErrorCode::kUnavailable) {
    problem.retry_after_seconds = limits::kReviewRetrySeconds;
  }
  return problem_response(problem, path);
}

Error no_such_job() {
  return {ErrorCode::kNotFound, "there is no such job"};
}

std::optional<JobShow> FoundJob::shown() const {
  if (living) return show(*living);
  if (stored) return show(*stored);
  return {};
}

Task<Result<FoundJob>> complete_from_store(Call& call, JobId id, FoundJob found) {
  if (found.living) co_return found;
  Services& services = call.services;
  const QueueNumber number = *found.number;
  auto read = co_await on_reader(services.readers, [&services, number, id] {
    return services.store.find(number, id, services.clock.now().wall);
  });
  if (!read) co_return std::move(read).error();
  found.stored = *std::move(read);
  co_return found;
}

Task<Result<FoundJob>> find_job(Call& call, JobId id) {
  const QueueName& queue = call.match.queue;
  auto found = co_await ask(call.services.loop,
                            [&queue, id](Engine& engine, Now now, RecordSink&) -> Result<FoundJob> {
                              auto number = engine.queue_number(queue);
                              if (!number) return std::move(number).error();
                              return FoundJob{*number, engine.find(queue, id, now), {}};
                            });
  if (!found) co_return std::move(found).error();
  co_return co_await complete_from_store(call, id, *std::move(found));
}

}  // namespace sluice::broker
