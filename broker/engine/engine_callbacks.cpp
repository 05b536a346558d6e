// Callbacks: what has ended leaves a delivery behind, a job of the namespace's reserved queue.
#include "broker/engine/engine_state.h"
#include "common/api/callback_event.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

constexpr int kDeliveriesMax = 16;          // at once, of one namespace
constexpr int kDeliveriesPerTargetMax = 4;  // so that one slow receiver holds up no other
constexpr int kDeliveryTimeoutSeconds = 30;
constexpr int kLeaseLossesMax = 20;  // of restarts: nothing else takes a delivery's lease

// Twelve tries over a day or so: 5 s, 15 s, 45 s, … 6 h, each with full jitter.
constexpr int kDeliveryAttemptsMax = 12;
constexpr api::Backoff kDeliveryBackoff{5, 3, 6 * 3600};

// The host of a URL, and its port where it names one: deliveries to one take turns with others'.
std::string_view target_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

}  // namespace

api::QueueSpec callback_queue_spec() {
  api::QueueSpec spec;
  spec.retry.max_attempts = kDeliveryAttemptsMax;
  spec.retry.max_lease_losses = kLeaseLossesMax;
  spec.retry.backoff = kDeliveryBackoff;
  spec.timeout_seconds = kDeliveryTimeoutSeconds;
  spec.concurrency_limit = {kDeliveriesMax, kDeliveriesPerTargetMax};
  return spec;
}

QueueState& Engine::State::callback_queue(const std::string& namespace_name, Now now,
                                          RecordSink& sink) {
  const QueueName name{namespace_name, std::string(kCallbackQueueName)};
  if (QueueState* queue = find_queue(name)) return *queue;
  QueueRecord record;
  record.number = QueueNumber{next_queue_number};
  record.name = name;
  record.spec = callback_queue_spec();
  sink.put_queue(record);
  CHECK(queue(std::move(record)));
  QueueState& made = *find_queue(name);
  configure_flow(made, {}, now);
  mark_changed(made, true);
  return made;
}

void Engine::State::call_back(const QueueState& queue, const Job& job, api::JobState state,
                              std::string_view result, Now now, RecordSink& sink) {
  if (!job.extras || !job.extras->callback || is_callback_queue(queue.record.name)) return;
  const QueueName& name = queue.record.name;
  api::CallbackEvent event;
  event.id = to_string(job.id);
  event.namespace_name = name.namespace_name;
  event.queue = name.name;
  event.state = state;
  event.attempts = job.attempts;
  event.created_at = job.created_at;
  event.finished_at = now.wall;
  event.labels = job.extras->labels;
  if (state != api::JobState::kSucceeded) event.error = job.extras->error;
  event.result_json = result;

  NewJob delivery;
  delivery.payload = api::encode(event);
  delivery.callback = job.extras->callback;
  delivery.labels = {{"sluice.dev/job", event.id}, {"sluice.dev/queue", event.queue}};
  deliver_later(name.namespace_name, std::move(delivery), now, sink);
}

void Engine::State::deliver_later(const std::string& namespace_name, NewJob&& delivery, Now now,
                                  RecordSink& sink) {
  delivery.tenant = delivery.key = target_of(delivery.callback->url);
  insert_new(callback_queue(namespace_name, now, sink), std::move(delivery), {}, now, sink);
}

// Whoever delivers is told where there is something to deliver.
void Engine::State::tell_deliverer(const QueueState& queue, Now now) {
  if (!is_callback_queue(queue.record.name) || !may_start(queue, now)) return;
  effects.deliveries.push_back({queue.record.name, queue.record.number});
}

}  // namespace sluice::broker
