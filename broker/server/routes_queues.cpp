// Queues: their configuration, figures and pauses.
#include "broker/server/access_rules.h"
#include "broker/server/decode_requests.h"
#include "broker/server/handlers.h"
#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

Response queue_response(const QueueView& queue) {
  Response response;
  JsonWriter json(response.body);
  write_queue(json, queue);
  return response;
}

// A step that changes a queue, and the queue after it.
template <typename Change>
Task<Result<QueueView>> change_queue(Call& call, Change change) {
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &change](Engine& engine, Now now, RecordSink& sink) -> Result<QueueView> {
    Status status = change(engine, now, sink);
    if (!status) return std::move(status).error();
    return engine.queue(queue, now);
  };
  co_return co_await ask(call.services.loop, run);
}

Result<JobsPolicy> parse_policy(const std::string& text) {
  if (text == "retain") return JobsPolicy::kRetain;
  if (text == "purge") return JobsPolicy::kPurge;
  return Error{ErrorCode::kInvalidArgument, "jobs: must be retain or purge", "jobs"};
}

// Of calls that take an object without members.
Status read_no_members(JsonView body, UnknownMembers unknown) {
  struct Nothing {
  } nothing;
  return read_members<Nothing>(body, {}, unknown, nothing);
}

}  // namespace

Task<Response> put_queue(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const auto request = decode_configure(*body, call.match.queue, call.unknown());
  if (!request) co_return refuse(call, request.error());
  const auto queue =
      co_await change_queue(call, [&request](Engine& engine, Now now, RecordSink& sink) {
        return engine.configure(*request, now, sink);
      });
  if (!queue) co_return refuse(call, queue.error());
  call.services.directory.put(queue->name, {queue->number, queue->spec.payload.max_bytes});
  co_return queue_response(*queue);
}

Task<Response> get_queue(Call& call) {
  const QueueName& queue = call.match.queue;
  const auto view = co_await ask(
      call.services.loop,
      [&queue](Engine& engine, Now now, RecordSink&) { return engine.queue(queue, now); });
  if (!view) co_return refuse(call, view.error());
  co_return queue_response(*view);
}

Task<Response> delete_queue(Call& call) {
  constexpr std::string_view kParameters[] = {"uid", "jobs"};
  const auto query = Query::parse(call.request.target, kParameters);
  if (!query) co_return refuse(call, query.error());
  DeleteQueueRequest request{call.match.queue, query->text("uid"), {}};
  if (const auto text = query->text("jobs")) {
    const auto policy = parse_policy(*text);
    if (!policy) co_return refuse(call, policy.error());
    request.jobs = *policy;
  }
  struct Deleted {
    Status status;
    bool remains = false;  // with its jobs
  };
  auto run = [&request](Engine& engine, Now now, RecordSink& sink) {
    Deleted deleted{engine.delete_queue(request, now, sink)};
    deleted.remains = static_cast<bool>(engine.queue(request.queue, now));
    return deleted;
  };
  const auto deleted = co_await ask(call.services.loop, run);
  if (!deleted.status) co_return refuse(call, deleted.status.error());
  if (!deleted.remains) call.services.directory.remove(request.queue);
  co_return Response{.body = "{}"};
}

Task<Response> list_queues(Call& call) {
  const auto namespaces = namespaces_of(call.request.target);
  if (!namespaces) co_return refuse(call, namespaces.error());
  const auto queues = co_await ask(
      call.services.loop, [](Engine& engine, Now now, RecordSink&) { return engine.queues(now); });
  Response response;
  JsonWriter json(response.body);
  json.begin_object().key("queues").begin_array();
  for (const QueueView& queue : queues) {
    if (is_within(*namespaces, queue.name.namespace_name)) write_queue(json, queue);
  }
  json.end_array().end_object();
  co_return response;
}

Task<Response> pause_queue(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const auto pause = decode_pause(*body, call.unknown());
  if (!pause) co_return refuse(call, pause.error());
  const auto queue =
      co_await change_queue(call, [&call, &pause](Engine& engine, Now now, RecordSink& sink) {
        return engine.pause(call.match.queue, pause->enqueue, pause->dispatch, now, sink);
      });
  if (!queue) co_return refuse(call, queue.error());
  co_return queue_response(*queue);
}

Task<Response> resume_queue(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  if (const auto read = read_no_members(*body, call.unknown()); !read) {
    co_return refuse(call, read.error());
  }
  const auto queue =
      co_await change_queue(call, [&call](Engine& engine, Now now, RecordSink& sink) {
        return engine.resume(call.match.queue, now, sink);
      });
  if (!queue) co_return refuse(call, queue.error());
  co_return queue_response(*queue);
}

}  // namespace sluice::broker
