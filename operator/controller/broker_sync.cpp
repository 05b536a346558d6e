#include "operator/controller/broker_sync.h"

#include <algorithm>
#include <string>

#include "common/base/log.h"

namespace sluice::op {
namespace {

constexpr int kOutcomesWaitSeconds = 30;

ObjectKey queue_key(const QueueRef& ref) {
  return {ObjectKind::kQueue, ref.namespace_name, ref.name};
}

}  // namespace

BrokerSync::BrokerSync(BrokerApi& broker, BrokerView& view, const ObjectCache& cache,
                       WorkQueue& queue, BrokerSyncOptions options)
    : broker_(broker), view_(view), cache_(cache), queue_(queue), options_(options) {}

BrokerSync::~BrokerSync() {
  stop();
}

void BrokerSync::start() {
  signals_ = std::thread([this] { follow_signals(); });
  outcomes_ = std::thread([this] { follow_outcomes(); });
}

void BrokerSync::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  broker_.stop();
  if (signals_.joinable()) signals_.join();
  if (outcomes_.joinable()) outcomes_.join();
}

void BrokerSync::follow_signals() {
  std::minstd_rand jitter(static_cast<std::minstd_rand::result_type>(options_.jitter_seed));
  Duration delay = options_.reconnect_min;
  while (!is_stopped()) {
    if (compare()) {
      bool heard = false;
      const Status end = broker_.signals([&](const api::QueueSignal& signal) {
        heard = true;
        if (view_.observe(signal)) queue_.add(queue_key({signal.namespace_name, signal.queue}));
      });
      if (is_stopped()) return;
      if (!end) log_info("broker signals ended", {{"error", end.error().message}});
      // A stream that lived is opened again at once: a blink is not an outage.
      if (heard) {
        delay = options_.reconnect_min;
        continue;
      }
    } else if (view_.disconnected()) {
      log_warn("broker away: sizes are held");
      queue_everything();
    }
    if (!back_off(delay, jitter)) return;
  }
}

void BrokerSync::follow_outcomes() {
  std::minstd_rand jitter(static_cast<std::minstd_rand::result_type>(options_.jitter_seed + 1));
  Duration delay = options_.reconnect_min;
  std::string cursor;
  while (!is_stopped()) {
    const auto page = broker_.outcomes(cursor, kOutcomesWaitSeconds);
    if (!page) {
      if (!back_off(delay, jitter)) return;
      continue;
    }
    delay = options_.reconnect_min;
    cursor = page->cursor;
    for (const OutcomeEvent& event : page->events) {
      view_.observe(event);
      queue_.add({ObjectKind::kJob, event.queue.namespace_name, event.source_name});
    }
  }
}

bool BrokerSync::compare() {
  const auto queues = broker_.list_queues();
  if (!queues) return false;
  view_.connected(*queues);
  log_info("broker connected", {{"queues", queues->size()}});
  for (const auto& [ref, queue] : *queues) {
    if (!queue.uid.empty()) queue_.add(queue_key(ref), Lane::kBacklog);
  }
  queue_everything();
  return true;
}

void BrokerSync::queue_everything() {
  for (const ObjectKind kind : {ObjectKind::kQueue, ObjectKind::kSchedule, ObjectKind::kJob}) {
    for (const ObjectKey& key : cache_.keys(kind)) queue_.add(key, Lane::kBacklog);
  }
  for (const ObjectKey& key : view_.outcome_keys()) queue_.add(key, Lane::kBacklog);
}

bool BrokerSync::back_off(Duration& delay, std::minstd_rand& jitter) {
  std::uniform_int_distribution<Duration::rep> between(delay.count() / 2, delay.count());
  const Duration wait{between(jitter)};
  delay = std::min(delay * 2, options_.reconnect_max);
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, wait, [this] { return stopped_; });
}

bool BrokerSync::is_stopped() {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

}  // namespace sluice::op
