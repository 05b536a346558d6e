// The calls of the API, one function each. Included by this folder's .cpp files alone.
#pragma once

#include "broker/server/coro.h"
#include "broker/server/present.h"

namespace sluice::broker {

using Handler = Task<Response> (*)(Call& call);

// The call's handler; null for kSignals and kEvents, which are streams.
Handler handler_of(Route route);

// routes_jobs.cpp
Task<Response> enqueue(Call& call);
Task<Response> enqueue_batch(Call& call);
Task<Response> get_job(Call& call);
Task<Response> cancel_job(Call& call);
Task<Response> cancel_jobs(Call& call);
Task<Response> get_group(Call& call);
Task<Response> run_job(Call& call);
Task<Response> reschedule_job(Call& call);

// routes_list.cpp
Task<Response> list_jobs(Call& call);

// routes_workers.cpp
Task<Response> claim(Call& call);
Task<Response> extend(Call& call);
Task<Response> settle(Call& call);

// routes_queues.cpp
Task<Response> put_queue(Call& call);
Task<Response> get_queue(Call& call);
Task<Response> delete_queue(Call& call);
Task<Response> list_queues(Call& call);
Task<Response> pause_queue(Call& call);
Task<Response> resume_queue(Call& call);

// routes_dead.cpp
Task<Response> redrive(Call& call);
Task<Response> get_redrive(Call& call);
Task<Response> cancel_redrive(Call& call);
Task<Response> purge(Call& call);

// routes_operator.cpp
Task<Response> get_schedule(Call& call);
Task<Response> outcomes(Call& call);
Task<Response> acknowledge(Call& call);
Task<Response> drain_worker(Call& call);
Task<Response> undrain_worker(Call& call);
Task<Response> worker_gone(Call& call);

// routes_backups.cpp
Task<Response> create_backup(Call& call);
Task<Response> list_backups(Call& call);
Task<Response> delete_backup(Call& call);

// routes_all.cpp
Task<Response> healthz(Call& call);
Task<Response> readyz(Call& call);
Task<Response> metrics(Call& call);
Task<Response> openapi(Call& call);

// signals_stream.cpp: writes its own response, and ends with the connection.
Task<void> stream_signals(Call& call);

// events_stream.cpp: the same; Ok when it streamed, otherwise nothing was sent.
Task<Status> stream_events(Call& call);

// --- what they share (handlers.cpp) ---

// Checks the body and views it; an optional one that is absent is "{}".
Result<JsonView> body_of(Call& call);
Response refuse(const Call& call, const Error& error);
// A refusal by who is calling; says when to come back if that is only not known at present.
Response refuse_access(const Error& error, std::string_view path);
Error no_such_job();

// A job wherever it is; at most one of both is set.
struct FoundJob {
  std::optional<QueueNumber> number;
  std::optional<JobView> living;
  std::optional<StoredJob> stored;

  std::optional<JobShow> shown() const;
};
// kNotFound: no such queue. A job that is not there is a FoundJob without either.
Task<Result<FoundJob>> find_job(Call& call, JobId id);
// The part of it after the engine was asked: reads the store unless the job is living.
Task<Result<FoundJob>> complete_from_store(Call& call, JobId id, FoundJob found);

}  // namespace sluice::broker
