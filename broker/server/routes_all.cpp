// What anybody may call: probes, metrics, the API's description.
#include "broker/server/handlers.h"
#include "broker/server/openapi.h"

namespace sluice::broker {

Task<Response> healthz(Call&) {
  co_return Response{.body = R"({"status":"ok"})"};
}

Task<Response> readyz(Call& call) {
  if (!call.thread.draining) co_return Response{.body = R"({"status":"ok"})"};
  co_return refuse(call, {ErrorCode::kUnavailable, "the broker is shutting down"});
}

Task<Response> metrics(Call& call) {
  const auto queues = co_await ask(
      call.services.loop, [](Engine& engine, Now now, RecordSink&) { return engine.queues(now); });
  co_return Response{.body = call.services.metrics.render(queues, call.services.loop.stats()),
                     .content_type = "text/plain; version=0.0.4; charset=utf-8"};
}

Task<Response> openapi(Call&) {
  co_return Response{.body = std::string{openapi_document()}};
}

}  // namespace sluice::broker
