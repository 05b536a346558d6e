// What producers call: enqueue, look, cancel.
#include "broker/server/access_control.h"
#include "broker/server/cloud_event.h"
#include "broker/server/decode_jobs.h"
#include "broker/server/enqueueing.h"
#include "broker/server/handlers.h"
#include "broker/server/idempotency.h"
#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

bool needs_lookup(const NewJob& job) {
  return job.idempotency || job.id;
}

Result<Lookup> look_up(Store& store, QueueNumber queue, const NewJob& job, TimePoint now) {
  Lookup lookup;
  if (job.idempotency) {
    auto key = store.key(queue, job.idempotency->key);
    if (!key) return std::move(key).error();
    const auto& stored = *key;
    if (stored && (!stored->expires_at || *stored->expires_at > now)) {
      auto found = store.find(queue, stored->id, now);
      if (!found) return std::move(found).error();
      Lookup::Known& known = lookup.by_key.emplace();
      known.id = stored->id;
      known.content = stored->content;
      if (*found) known.state = (*found)->state;
    }
  }
  if (job.id) {
    auto found = store.find(queue, *job.id, now);
    if (!found) return std::move(found).error();
    // Of a job that lives the engine itself knows.
    if (*found && api::has_ended((*found)->state)) {
      Lookup::Known& known = lookup.by_id.emplace();
      known.id = *job.id;
      known.state = (*found)->state;
    }
  }
  return lookup;
}

// Reads what the store knows under the keys and ids of those jobs that are still to do.
Result<std::vector<Lookup>> look_up_all(Store& store, const Enqueueing& work, BatchNumber as_of,
                                        TimePoint now) {
  std::vector<Lookup> lookups(work.jobs.size());
  for (const std::size_t i : work.todo) {
    if (work.number && needs_lookup(work.jobs[i])) {
      auto lookup = look_up(store, *work.number, work.jobs[i], now);
      if (!lookup) return std::move(lookup).error();
      lookups[i] = *std::move(lookup);
    }
    lookups[i].as_of = as_of;
    lookups[i].parents = work.parents;
  }
  return lookups;
}

// One engine step for all of them, so that they share one batch; what is done is no longer to do.
// The queue must still be the one the lookups were made for: otherwise its number is taken note of
// and nothing else happens. Without lookups it may be any.
Task<PressureView> enqueue_step(Call& call, Enqueueing& work, const std::vector<Lookup>& lookups,
                                bool checked) {
  const QueueName& queue = call.match.queue;
  return ask(call.services.loop, [&, checked](Engine& engine, Now now, RecordSink& sink) {
    static const Lookup kNone;
    if (checked) {
      const auto known = engine.queue_number(queue);
      if (known && work.number != *known) {
        work.number = *known;
        return PressureView{};
      }
    }
    const PressureView pressure = engine.pressure(queue, now);
    const auto lookup_of = [&](std::size_t i) -> const Lookup& {
      return lookups.empty() ? kNone : lookups[i];
    };
    // All of them in this step, or none: a batch is one commit.
    if (std::any_of(work.todo.begin(), work.todo.end(), [&](std::size_t i) {
          return engine.is_stale(queue, work.jobs[i], lookup_of(i));
        })) {
      return pressure;
    }
    std::optional<Result<Uuid>> group;
    if (work.group) group = engine.begin_group(queue, *work.group, now);
    if (group && !*group) {
      work.group_error = group->error();
      work.todo.clear();
      return pressure;
    }
    for (const std::size_t i : work.todo) {
      if (group) work.jobs[i].group = **group;
      work.results[i] = engine.enqueue(queue, std::move(work.jobs[i]), lookup_of(i), now, sink);
    }
    if (group) work.group_id = engine.seal_group(queue, **group, now, sink);
    work.todo.clear();
    return pressure;
  });
}

Task<Result<Enqueueing>> enqueue_all(Call& call, std::vector<NewJob> jobs,
                                     std::optional<NewGroup> group = {}) {
  Services& services = call.services;
  Enqueueing work{.jobs = std::move(jobs)};
  work.group = std::move(group);
  work.results.assign(work.jobs.size(), Enqueued{});
  for (std::size_t i = 0; i < work.jobs.size(); ++i) work.todo.push_back(i);
  const bool checked = std::any_of(work.jobs.begin(), work.jobs.end(), needs_lookup);
  if (!checked && !has_parents(work)) {
    const std::vector<Lookup> none;
    work.pressure = co_await enqueue_step(call, work, none, false);
    co_return work;
  }
  if (const auto entry = services.directory.find(call.match.queue)) work.number = entry->number;
  // Again when the queue was deleted and made anew since the lookup, or a parent ended.
  while (!work.todo.empty()) {
    const Status found = co_await look_up_parents(call, work);
    if (!found) co_return found.error();
    const BatchNumber as_of = services.loop.begin_lookup();
    auto lookups = co_await on_reader(services.readers, [&services, &work, as_of] {
      return look_up_all(services.store, work, as_of, services.clock.now().wall);
    });
    if (lookups) work.pressure = co_await enqueue_step(call, work, *lookups, checked);
    services.loop.end_lookup(as_of);
    if (!lookups) co_return std::move(lookups).error();
  }
  co_return work;
}

Result<DecodeJobOptions> options_of(Call& call, bool batch) {
  const auto entry = call.services.directory.find(call.match.queue);
  DecodeJobOptions options;
  options.unknown = call.unknown();
  options.payload_bytes_max = entry ? entry->payload_bytes_max : api::PayloadLimits{}.max_bytes;
  options.traceparent = call.request.traceparent;
  if (!call.request.idempotency_key) return options;
  if (batch) {
    return Error{ErrorCode::kInvalidArgument,
                 "Idempotency-Key: a batch takes one idempotencyKey for each job instead",
                 "Idempotency-Key"};
  }
  auto key = parse_idempotency_header(*call.request.idempotency_key);
  if (!key) return std::move(key).error();
  options.idempotency_key = *std::move(key);
  return options;
}

// Says what the queue's load asks of its producers.
void tell_pressure(const PressureView& pressure, Response& response) {
  if (pressure.level == api::Pressure::kNone) return;
  response.pressure = api::to_string(pressure.level);
  response.retry_after_seconds = pressure.retry_after_seconds;
}

Response refuse_enqueue(const Call& call, const Error& error, const PressureView& pressure) {
  api::Problem problem = api::to_problem(error);
  const bool is_full = error.code == ErrorCode::kQueueFull;
  if (is_full) problem.retry_after_seconds = pressure.retry_after_seconds;
  Response response = problem_response(problem, call.request.path());
  if (is_full) response.pressure = api::to_string(pressure.level);
  return response;
}

// What refuses the queue rather than one job: then a batch is refused whole.
bool is_of_queue(const Error& error) {
  const bool no_queue = error.code == ErrorCode::kNotFound && error.field.empty();
  return no_queue || error.code == ErrorCode::kQueuePaused || error.code == ErrorCode::kQueueFull ||
         error.code == ErrorCode::kUnavailable;
}

Response batch_response(const Call& call, const NewBatch& batch, const Enqueueing& work) {
  const Results& results = work.results;
  Response response;
  response.status = 202;
  JsonWriter json(response.body);
  json.begin_object().key("results").begin_array();
  std::size_t next = 0;
  for (const auto& one : batch.jobs) {
    const Result<Enqueued> result = one ? results[next++] : Result<Enqueued>{one.error()};
    if (result) {
      write_enqueued(json, *result);
    } else {
      json.begin_object().key("error");
      write_problem(json, api::to_problem(result.error()), call.request.path());
      json.end_object();
    }
  }
  json.end_array();
  if (work.group_id) json.member("group", to_string(*work.group_id));
  json.end_object();
  return response;
}

// Ids, sources and schedules speak for resources: giving them takes a right of its own.
bool needs_resource_right(const Call& call, const NewJob& job) {
  return call.services.access != nullptr && (job.id || job.source || job.schedule);
}

Task<Status> check_resource_right(Call& call) {
  co_return co_await call.services.access->check_right(call.request, call.match, kConfigRight);
}

// A job, or a CloudEvent in structured or binary mode.
Result<NewJob> decode_job_or_event(Call& call, JsonView body, const DecodeJobOptions& options) {
  Request& request = call.request;
  if (is_cloud_event(request.content_type)) return decode_cloud_event(body, options);
  if (request.event_headers.empty()) return decode_new_job(body, options);
  auto event = to_structured_event(request.event_headers, body.raw());
  if (!event) return std::move(event).error();
  request.body = *std::move(event);
  // The headers' text may be no UTF-8.
  const Status valid = call.thread.validator.check(request.body);
  if (!valid) return valid.error();
  return decode_cloud_event(JsonView{request.body}, options);
}

// Waits, when asked to, until the job has ended; then shows it as it is.
Task<Result<FoundJob>> await_end(Call& call, JobId id, int wait_seconds) {
  const QueueName& queue = call.match.queue;
  Wait wait(call.thread);
  call.thread.desk.add_job(id, wait);
  struct Found {
    FoundJob job;
    bool watched = false;
  };
  auto found = co_await ask(
      call.services.loop, [&queue, id](Engine& engine, Now now, RecordSink&) -> Result<Found> {
        auto number = engine.queue_number(queue);
        if (!number) return std::move(number).error();
        Found one{{*number, engine.find(queue, id, now), {}}, false};
        one.watched = one.job.living && !api::has_ended(one.job.living->state);
        if (one.watched) engine.watch(id);
        return one;
      });
  if (!found || !found->watched) {
    call.thread.desk.remove_job(id, wait);
    if (!found) co_return std::move(found).error();
    co_return co_await complete_from_store(call, id, std::move(found->job));
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{wait_seconds};
  if (!call.thread.draining) {
    call.peer.watch(wait);
    co_await wait.until(end);
    co_await call.peer.unwatch();
  }
  call.thread.desk.remove_job(id, wait);
  co_await ask(call.services.loop, [id](Engine& engine, Now, RecordSink&) {
    engine.unwatch(id);
    return Ok{};
  });
  co_return co_await find_job(call, id);
}

}  // namespace

Task<Response> enqueue(Call& call) {
  const auto disk = call.services.disk.check();
  if (!disk) co_return refuse(call, disk.error());
  const auto options = options_of(call, false);
  if (!options) co_return refuse(call, options.error());
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  auto job = decode_job_or_event(call, *body, *options);
  if (!job) co_return refuse(call, job.error());
  if (needs_resource_right(call, *job)) {
    const Status may = co_await check_resource_right(call);
    if (!may) co_return refuse_access(may.error(), call.request.path());
  }

  std::vector<NewJob> jobs;
  jobs.push_back(*std::move(job));
  auto reply = co_await enqueue_all(call, std::move(jobs));
  if (!reply) co_return refuse(call, reply.error());
  const Result<Enqueued>& result = reply->results.front();
  if (!result) co_return refuse_enqueue(call, result.error(), reply->pressure);

  const Enqueued& enqueued = *result;
  Response response;
  response.status = enqueued.repeated || enqueued.skipped ? 200 : 202;
  if (!enqueued.skipped) {
    response.location.append(call.request.path()).append("/").append(to_string(enqueued.id));
  }
  tell_pressure(reply->pressure, response);
  JsonWriter json(response.body);
  write_enqueued(json, enqueued);
  co_return response;
}

Task<Response> enqueue_batch(Call& call) {
  const auto disk = call.services.disk.check();
  if (!disk) co_return refuse(call, disk.error());
  const auto options = options_of(call, true);
  if (!options) co_return refuse(call, options.error());
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  auto decoded = decode_batch(*body, *options);
  if (!decoded) co_return refuse(call, decoded.error());

  std::vector<NewJob> jobs;
  jobs.reserve(decoded->jobs.size());
  for (auto& one : decoded->jobs) {
    if (one) jobs.push_back(std::move(*one));
  }
  const auto needs_right = [&](const NewJob& job) { return needs_resource_right(call, job); };
  if (std::any_of(jobs.begin(), jobs.end(), needs_right)) {
    const Status may = co_await check_resource_right(call);
    if (!may) co_return refuse_access(may.error(), call.request.path());
  }
  const auto reply = co_await enqueue_all(call, std::move(jobs), std::move(decoded->group));
  if (!reply) co_return refuse(call, reply.error());
  if (reply->group_error) co_return refuse(call, *reply->group_error);
  // One that is refused so means that none was taken; those that were known already wrote nothing.
  const auto refused =
      std::find_if(reply->results.begin(), reply->results.end(),
                   [](const auto& result) { return !result && is_of_queue(result.error()); });
  if (refused != reply->results.end()) {
    co_return refuse_enqueue(call, refused->error(), reply->pressure);
  }
  Response response = batch_response(call, *decoded, *reply);
  tell_pressure(reply->pressure, response);
  co_return response;
}

Task<Response> get_group(Call& call) {
  const auto id = parse_uuid(call.match.item);
  if (!id) co_return refuse(call, {ErrorCode::kNotFound, "there is no such group"});
  const QueueName& queue = call.match.queue;
  const auto group = co_await ask(
      call.services.loop,
      [&queue, &id](Engine& engine, Now, RecordSink&) { return engine.find_group(queue, *id); });
  if (!group) co_return refuse(call, group.error());
  Response response;
  JsonWriter(response.body)
      .begin_object()
      .member("id", to_string(group->id))
      .member("total", group->total)
      .member("pending", group->pending())
      .member("succeeded", group->succeeded)
      .member("dead", group->dead)
      .member("cancelled", group->cancelled)
      .member("open", group->open)
      .member("createdAt", group->created_at)
      .member("finishedAt", group->finished_at)
      .end_object();
  co_return response;
}

Task<Response> get_job(Call& call) {
  constexpr std::string_view kParameters[] = {"waitSeconds", "payload"};
  const auto query = Query::parse(call.request.target, kParameters);
  if (!query) co_return refuse(call, query.error());
  const auto wait_seconds = query->integer("waitSeconds", 0, limits::kWaitSecondsMax, 0);
  if (!wait_seconds) co_return refuse(call, wait_seconds.error());
  const auto with_payload = query->flag("payload");
  if (!with_payload) co_return refuse(call, with_payload.error());
  const auto id = parse_uuid(call.match.item);
  if (!id) co_return refuse(call, no_such_job());

  auto look = *wait_seconds > 0 ? await_end(call, *id, *wait_seconds) : find_job(call, *id);
  auto found = co_await std::move(look);
  if (!found) co_return refuse(call, found.error());
  auto job = found->shown();
  if (!job) co_return refuse(call, no_such_job());

  std::optional<Body> payload;
  if (*with_payload) {
    Services& services = call.services;
    auto bodies = co_await on_reader(services.readers, [&services, &found, &id] {
      return services.store.bodies(*found->number, {&*id, 1});
    });
    if (!bodies) co_return refuse(call, bodies.error());
    payload = std::move(bodies->front());
    if (payload) job->payload = payload->payload;
  }
  Response response;
  JsonWriter json(response.body);
  write_job(json, call.match.queue, *job);
  co_return response;
}

}  // namespace sluice::broker
