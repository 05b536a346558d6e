// What workers call: claim, extend, settle.

#include "broker/server/access_control.h"
#include "broker/server/decode_requests.h"
#include "broker/server/enqueueing.h"
#include "broker/server/handlers.h"
#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

// A grant of this many jobs is read where it is; a bigger one must not hold up the thread.
constexpr std::size_t kInlineBodiesMax = 4;

// The first try: a grant, or a place among the waiting.
Task<Result<ClaimGrant>> try_claim(Call& call, const ClaimCall& claim, WaiterId waiter) {
  return ask(call.services.loop, [&claim, waiter](Engine& engine, Now now, RecordSink& sink) {
    auto grant = engine.claim(claim.request, now, sink);
    if (grant && grant->jobs.empty() && !grant->drain && waiter != 0) {
      engine.wait_for_claim(waiter, claim.request);
    }
    return grant;
  });
}

// Claims, and waits for jobs as long as the call says. An empty grant: the wait is over.
Task<Result<ClaimGrant>> claim_or_wait(Call& call, const ClaimCall& claim) {
  const bool may_wait = claim.wait_seconds > 0 && !call.thread.draining;
  if (!may_wait) co_return co_await try_claim(call, claim, 0);

  Wait sleeper(call.thread);
  ClaimWait waiting{sleeper, {}};
  const WaiterId waiter = call.thread.desk.next_waiter();
  call.thread.desk.add_claim(waiter, waiting);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{claim.wait_seconds};
  auto grant = co_await try_claim(call, claim, waiter);
  if (!grant || !grant->jobs.empty() || grant->drain) {
    call.thread.desk.remove_claim(waiter);
    co_return grant;
  }
  if (!waiting.grant && !call.thread.draining) {
    call.peer.watch(sleeper);
    co_await sleeper.until(end);
    co_await call.peer.unwatch();
  }
  if (!waiting.grant) {
    // A grant that is on its way already finds nobody, and the desk hands it back.
    co_await ask(call.services.loop, [waiter](Engine& engine, Now, RecordSink&) {
      engine.drop_waiter(waiter);
      return Ok{};
    });
  }
  call.thread.desk.remove_claim(waiter);
  if (waiting.grant) co_return *std::move(waiting.grant);
  co_return grant;
}

void hand_back(Services& services, const QueueName& queue, ClaimNumber claim) {
  services.loop.submit(
      [queue, claim](Engine& engine, Now now, RecordSink& sink) {
        engine.hand_back(queue, claim, now, sink);
      },
      [] {});
}

// The jobs of a grant from `first` on, which did not fit its reply: the next claim gets them.
void release_from(Services& services, const QueueName& queue, const ClaimGrant& grant,
                  std::size_t first) {
  if (first >= grant.jobs.size()) return;
  std::vector<JobId> ids;
  for (std::size_t i = first; i < grant.jobs.size(); ++i) ids.push_back(grant.jobs[i].id);
  services.loop.submit(
      [queue, ids = std::move(ids), claim = grant.claim](Engine& engine, Now now,
                                                         RecordSink& sink) {
        for (const JobId id : ids) {
          SettleRequest release{.queue = queue, .id = id, .claim = claim};
          release.outcome = api::Outcome::kReleased;
          // Refused only where the lease is gone, and with it what was to be given back.
          [[maybe_unused]] const Status done = engine.settle(std::move(release), now, sink);
        }
      },
      [] {});
}

Task<Result<std::vector<std::optional<Body>>>> read_bodies(Call& call, const ClaimGrant& grant) {
  std::vector<JobId> ids;
  ids.reserve(grant.jobs.size());
  for (const Granted& job : grant.jobs) ids.push_back(job.id);
  Services& services = call.services;
  if (ids.size() <= kInlineBodiesMax) co_return services.store.bodies(grant.queue, ids);
  co_return co_await on_reader(services.readers, [&services, &grant, &ids] {
    return services.store.bodies(grant.queue, ids);
  });
}

void write_claim(std::string& out, const ClaimGrant& grant,
                 const std::vector<std::optional<Body>>& bodies, const ParentResults& parents) {
  JsonWriter json(out);
  json.begin_object().key("jobs").begin_array();
  for (std::size_t i = 0; i < parents.size(); ++i) {
    // A body that is gone is of a job that was purged since: its lease is gone too.
    if (bodies[i]) write_claimed(json, {grant, grant.jobs[i], *bodies[i], parents[i]});
  }
  json.end_array().member("drain", grant.drain).end_object();
}

struct SettleReply {
  std::optional<QueueNumber> number;
  std::vector<Status> results;
};

// Whether the store's record keeps this very settlement.
Status repeated_settlement(Store& store, QueueNumber number, const SettleRequest& request,
                           TimePoint now) {
  auto found = store.find(number, request.id, now);
  if (!found) return std::move(found).error();
  if (!*found) return no_such_job();
  const auto& last = (*found)->extras->last_settlement;
  if (last && request.claim && *last == LastSettlement{*request.claim, request.outcome}) {
    return Ok{};
  }
  return Error{ErrorCode::kConflict, "the lease is stale: the job was settled otherwise"};
}

// Asks the store about the settlements of jobs the engine does not know.
Task<void> check_repeated(Call& call, const std::vector<const SettleRequest*>& requests,
                          SettleReply& reply) {
  const auto is_unknown = [](const Status& status) {
    return !status && status.error().code == ErrorCode::kNotFound && status.error().field.empty();
  };
  const bool any =
      reply.number && std::any_of(reply.results.begin(), reply.results.end(), is_unknown);
  if (!any) co_return;
  Services& services = call.services;
  co_await on_reader(services.readers, [&] {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (!is_unknown(reply.results[i])) continue;
      reply.results[i] = repeated_settlement(services.store, *reply.number, *requests[i],
                                             services.clock.now().wall);
    }
    return Ok{};
  });
}

// One step for the whole batch; requests that were refused before are not among `requests`.
Task<SettleReply> settle_all(Call& call, const std::vector<const SettleRequest*>& requests) {
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &requests](Engine& engine, Now now, RecordSink& sink) {
    SettleReply reply;
    if (const auto number = engine.queue_number(queue)) reply.number = *number;
    for (const SettleRequest* request : requests) {
      reply.results.push_back(engine.settle(SettleRequest{*request}, now, sink));
    }
    return reply;
  };
  auto reply = co_await ask(call.services.loop, run);
  co_await check_repeated(call, requests, reply);
  co_return reply;
}

void refuse_over_reserve(Call& call, std::vector<SettleItem>& items) {
  const auto disk = call.services.disk.check();
  if (disk) return;
  for (SettleItem& item : items) {
    if (item.request && (item.request->result_json.size() > limits::kReserveResultBytesMax ||
                         !item.request->follow_ups.empty())) {
      item.request = disk.error();
    }
  }
}

// A worker's token is good for its own queue: jobs for others take a producer's right there.
Task<void> refuse_foreign_jobs(Call& call, std::vector<SettleItem>& items) {
  if (call.services.access == nullptr) co_return;
  for (SettleItem& item : items) {
    if (!item.request) continue;
    for (std::size_t i = 0; i < item.request->follow_ups.size(); ++i) {
      const QueueName& queue = item.request->follow_ups[i].queue;
      if (queue == call.match.queue) continue;
      const RouteMatch target{Route::kEnqueue, queue, {}};
      const Status may = co_await call.services.access->check_right(
          call.request, target, access_rule(Route::kEnqueue).right);
      if (may) continue;
      Error error = may.error();
      error.field = "enqueue[" + std::to_string(i) + "].queue";
      item.request = std::move(error);
      break;
    }
  }
}

Response settle_response(Call& call, const std::vector<SettleItem>& items,
                         const SettleReply& reply) {
  Response response;
  JsonWriter json(response.body);
  json.begin_object().key("results").begin_array();
  std::size_t next = 0;
  for (const SettleItem& item : items) {
    const Status status = item.request ? reply.results[next++] : Status{item.request.error()};
    json.begin_object().member("id", item.id);
    if (status) {
      json.member("status", "ok");
    } else {
      json.key("error");
      write_problem(json, api::to_problem(status.error()), call.request.path());
    }
    json.end_object();
  }
  json.end_array().end_object();
  return response;
}

std::string_view to_text(api::LeaseStatus status) {
  switch (status) {
    case api::LeaseStatus::kOk:
      return "ok";
    case api::LeaseStatus::kLost:
      return "lost";
    case api::LeaseStatus::kCancelled:
      return "cancelled";
  }
  return "lost";
}

}  // namespace

Task<Response> claim(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const auto claim = decode_claim(*body, call.match.queue, call.unknown());
  if (!claim) co_return refuse(call, claim.error());

  const auto grant = co_await claim_or_wait(call, *claim);
  if (!grant) co_return refuse(call, grant.error());
  Services& services = call.services;
  const QueueName& queue = call.match.queue;
  if (call.peer.gone()) {
    if (!grant->jobs.empty()) hand_back(services, queue, grant->claim);
    co_return Response{.close = true};
  }
  const auto bodies = co_await read_bodies(call, *grant);
  if (!bodies) {
    hand_back(services, queue, grant->claim);
    co_return refuse(call, bodies.error());
  }
  const auto parents = co_await read_parent_results(call, *grant);
  if (!parents) {
    hand_back(services, queue, grant->claim);
    co_return refuse(call, parents.error());
  }
  release_from(services, queue, *grant, parents->size());
  Response response;
  write_claim(response.body, *grant, *bodies, *parents);
  if (!grant->jobs.empty()) {
    response.undelivered = [&services, queue, number = grant->claim] {
      hand_back(services, queue, number);
    };
  }
  co_return response;
}

Task<Response> extend(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const auto extend = decode_extend(*body, call.match.queue, call.unknown());
  if (!extend) co_return refuse(call, extend.error());

  auto run = [&extend](Engine& engine, Now now, RecordSink& sink) {
    return engine.extend(extend->request, now, sink);
  };
  const auto reply = co_await ask(call.services.loop, run);
  if (!reply) co_return refuse(call, reply.error());
  Response response;
  JsonWriter json(response.body);
  json.begin_object().key("leases").begin_array();
  for (std::size_t i = 0; i < extend->ids.size(); ++i) {
    json.begin_object()
        .member("id", extend->ids[i])
        .member("status", to_text(reply->statuses[i]))
        .end_object();
  }
  json.end_array().member("drain", reply->drain).end_object();
  co_return response;
}

Task<Response> settle(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  auto items = decode_settle(*body, call.match.queue, call.unknown());
  if (!items) co_return refuse(call, items.error());
  refuse_over_reserve(call, *items);
  co_await refuse_foreign_jobs(call, *items);

  std::vector<const SettleRequest*> requests;
  for (SettleItem& item : *items) {
    if (item.request) requests.push_back(&*item.request);
  }
  const auto reply = co_await settle_all(call, requests);
  co_return settle_response(call, *items, reply);
}

}  // namespace sluice::broker
