// Dead letters: redriven, or purged.
#include "broker/server/decode_requests.h"
#include "broker/server/handlers.h"

namespace sluice::broker {
namespace {

Error no_such_redrive() {
  return {ErrorCode::kNotFound, "there is no such redrive"};
}

Response redrive_response(const RedriveRecord& task, int status) {
  Response response;
  response.status = status;
  JsonWriter(response.body)
      .begin_object()
      .member("id", to_string(task.id))
      .member("state", to_string(task.state))
      .member("selected", task.selected)
      .member("redriven", task.redriven)
      .member("perSecond", task.per_second)
      .member("createdAt", task.created_at)
      .member("finishedAt", task.finished_at)
      .end_object();
  return response;
}

}  // namespace

Task<Response> redrive(Call& call) {
  const auto disk = call.services.disk.check();
  if (!disk) co_return refuse(call, disk.error());
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  auto wanted = decode_redrive(*body, call.unknown());
  if (!wanted) co_return refuse(call, wanted.error());
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &wanted](Engine& engine, Now now, RecordSink& sink) {
    return engine.redrive(queue, std::move(wanted->filter), wanted->per_second, now, sink);
  };
  const auto task = co_await ask(call.services.loop, run);
  if (!task) co_return refuse(call, task.error());
  Response response = redrive_response(*task, 202);
  const std::string_view path = call.request.path();
  response.location = path.substr(0, path.rfind('/'));
  response.location.append("/redrives/").append(to_string(task->id));
  co_return response;
}

Task<Response> get_redrive(Call& call) {
  const auto id = parse_uuid(call.match.item);
  if (!id) co_return refuse(call, no_such_redrive());
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &id](Engine& engine, Now, RecordSink&) {
    return engine.find_redrive(queue, *id);
  };
  const auto task = co_await ask(call.services.loop, run);
  if (!task) co_return refuse(call, task.error());
  co_return redrive_response(*task, 200);
}

Task<Response> cancel_redrive(Call& call) {
  const auto id = parse_uuid(call.match.item);
  if (!id) co_return refuse(call, no_such_redrive());
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &id](Engine& engine, Now now, RecordSink& sink) {
    return engine.cancel_redrive(queue, *id, now, sink);
  };
  const auto task = co_await ask(call.services.loop, run);
  if (!task) co_return refuse(call, task.error());
  co_return redrive_response(*task, 200);
}

Task<Response> purge(Call& call) {
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  const auto filter = decode_dead_filter(*body, call.unknown());
  if (!filter) co_return refuse(call, filter.error());
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &filter](Engine& engine, Now now, RecordSink& sink) {
    return engine.purge_dead(queue, *filter, now, sink);
  };
  const auto purged = co_await ask(call.services.loop, run);
  if (!purged) co_return refuse(call, purged.error());
  Response response;
  JsonWriter(response.body).begin_object().member("purged", *purged).end_object();
  co_return response;
}

}  // namespace sluice::broker
