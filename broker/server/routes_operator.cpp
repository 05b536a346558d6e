// What the operator calls beside queue configuration: outcomes, schedules, workers.
#include "broker/server/access_rules.h"
#include "broker/server/decode_requests.h"
#include "broker/server/handlers.h"
#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

// The first page with something in it, or an empty one when the wait is over.
Task<OutcomePage> next_outcomes(Call& call, std::string cursor, std::size_t limit, int wait_seconds,
                                const std::vector<std::string>& namespaces) {
  Wait wait(call.thread);
  call.thread.desk.add_outcome(wait);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{wait_seconds};
  OutcomePage page;
  call.peer.watch(wait);
  while (true) {
    auto run = [&cursor, limit](Engine& engine, Now now, RecordSink&) {
      return engine.outcomes(cursor, limit, now);
    };
    page = co_await ask(call.services.loop, run);
    cursor = page.cursor;
    const bool more = page.entries.size() == limit;
    std::erase_if(page.entries, [&namespaces](const OutcomeEntry& entry) {
      return !is_within(namespaces, entry.queue_name.namespace_name);
    });
    const bool over = std::chrono::steady_clock::now() >= end;
    if (page.entries.empty() && more && !over) continue;
    if (!page.entries.empty() || over || call.thread.draining || call.peer.gone()) break;
    co_await wait.until(end);
  }
  co_await call.peer.unwatch();
  call.thread.desk.remove_outcome(wait);
  co_return page;
}

// The finished ones among the entries, in their order; absent where none is kept any more.
Result<std::vector<std::optional<StoredJob>>> read_finished(Store& store, const OutcomePage& page,
                                                            TimePoint now) {
  std::vector<std::optional<StoredJob>> jobs(page.entries.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const OutcomeEntry& entry = page.entries[i];
    if (entry.live) continue;
    auto found = store.find(entry.queue, entry.id, now);
    if (!found) return std::move(found).error();
    jobs[i] = *std::move(found);
  }
  return jobs;
}

void write_outcome(JsonWriter& json, const OutcomeEntry& entry,
                   const std::optional<StoredJob>& finished) {
  if (entry.live) return write_job(json, entry.queue_name, show(*entry.live));
  if (finished) return write_job(json, entry.queue_name, show(*finished));
  json.begin_object()
      .member("id", to_string(entry.id))
      .member("namespace", entry.queue_name.namespace_name)
      .member("queue", entry.queue_name.name)
      .member("state", api::to_string(entry.state))
      .key("source")
      .begin_object()
      .member("kind", entry.source.kind)
      .member("uid", entry.source.uid)
      .member("name", entry.source.name)
      .end_object()
      .end_object();
}

Task<Response> set_drain(Call& call, bool drain) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const auto worker = decode_worker_call(*body, false, call.unknown());
  if (!worker) co_return refuse(call, worker.error());
  auto run = [&call, &worker, drain](Engine& engine, Now now, RecordSink& sink) {
    return engine.drain_worker(call.match.queue, call.match.item, worker->instance, drain, now,
                               sink);
  };
  const auto status = co_await ask(call.services.loop, run);
  if (!status) co_return refuse(call, status.error());
  co_return Response{.body = "{}"};
}

}  // namespace

Task<Response> get_schedule(Call& call) {
  auto run = [&call](Engine& engine, Now, RecordSink&) {
    return engine.schedule(call.match.queue, call.match.item);
  };
  const auto schedule = co_await ask(call.services.loop, run);
  if (!schedule) co_return refuse(call, schedule.error());
  Response response;
  JsonWriter json(response.body);
  json.begin_object().member("lastTick", schedule->last_tick).key("running").begin_array();
  for (const JobId& id : schedule->running) json.value(std::string_view{to_string(id)});
  json.end_array().end_object();
  co_return response;
}

Task<Response> outcomes(Call& call) {
  constexpr std::string_view kParameters[] = {"cursor", "waitSeconds", "limit", "namespaces"};
  const auto query = Query::parse(call.request.target, kParameters);
  if (!query) co_return refuse(call, query.error());
  const auto wait_seconds = query->integer("waitSeconds", 0, limits::kWaitSecondsMax, 0);
  if (!wait_seconds) co_return refuse(call, wait_seconds.error());
  const auto limit = query->integer("limit", 1, static_cast<int>(limits::kOutcomesMax),
                                    static_cast<int>(limits::kOutcomesMax));
  if (!limit) co_return refuse(call, limit.error());

  const auto namespaces = namespaces_of(call.request.target);
  if (!namespaces) co_return refuse(call, namespaces.error());

  std::string cursor = query->text("cursor").value_or("");
  const auto page = co_await next_outcomes(
      call, std::move(cursor), static_cast<std::size_t>(*limit), *wait_seconds, *namespaces);
  Services& services = call.services;
  const auto finished = co_await on_reader(services.readers, [&services, &page] {
    return read_finished(services.store, page, services.clock.now().wall);
  });
  if (!finished) co_return refuse(call, finished.error());
  Response response;
  JsonWriter json(response.body);
  json.begin_object().key("jobs").begin_array();
  for (std::size_t i = 0; i < page.entries.size(); ++i) {
    write_outcome(json, page.entries[i], (*finished)[i]);
  }
  json.end_array().member("cursor", page.cursor).end_object();
  co_return response;
}

Task<Response> acknowledge(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const auto ids = decode_acknowledge(*body, call.unknown());
  if (!ids) co_return refuse(call, ids.error());
  auto run = [&call, &ids](Engine& engine, Now now, RecordSink& sink) -> Status {
    if (auto number = engine.queue_number(call.match.queue); !number) {
      return std::move(number).error();
    }
    engine.acknowledge(call.match.queue, *ids, now, sink);
    return Ok{};
  };
  const auto status = co_await ask(call.services.loop, run);
  if (!status) co_return refuse(call, status.error());
  co_return Response{.body = "{}"};
}

Task<Response> drain_worker(Call& call) {
  return set_drain(call, true);
}

Task<Response> undrain_worker(Call& call) {
  return set_drain(call, false);
}

Task<Response> worker_gone(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const auto worker = decode_worker_call(*body, true, call.unknown());
  if (!worker) co_return refuse(call, worker.error());
  auto run = [&call, &worker](Engine& engine, Now now, RecordSink& sink) {
    return engine.worker_gone(call.match.queue, call.match.item, worker->instance, *worker->cause,
                              now, sink);
  };
  const auto status = co_await ask(call.services.loop, run);
  if (!status) co_return refuse(call, status.error());
  co_return Response{.body = "{}"};
}

}  // namespace sluice::broker
