#include "operator/controller/broker_view.h"

namespace sluice::op {

bool BrokerView::is_reachable() const {
  const std::lock_guard lock(mutex_);
  return is_reachable_;
}

std::uint64_t BrokerView::session() const {
  const std::lock_guard lock(mutex_);
  return session_;
}

void BrokerView::connected(const std::vector<std::pair<QueueRef, BrokerQueue>>& queues) {
  const std::lock_guard lock(mutex_);
  is_reachable_ = true;
  ++session_;
  signals_.clear();
  for (const auto& [ref, queue] : queues) {
    signals_[ref] = {ref.namespace_name, ref.name, queue.figures, queue.workers};
  }
}

bool BrokerView::disconnected() {
  const std::lock_guard lock(mutex_);
  signals_.clear();
  return std::exchange(is_reachable_, false);
}

bool BrokerView::observe(const api::QueueSignal& signal) {
  const std::lock_guard lock(mutex_);
  api::QueueSignal& known = signals_[{signal.namespace_name, signal.queue}];
  const bool is_new = api::encode(known.figures) != api::encode(signal.figures) ||
                      api::encode(known.workers) != api::encode(signal.workers);
  known = signal;
  return is_new;
}

std::optional<api::QueueSignal> BrokerView::signal(const QueueRef& queue) const {
  const std::lock_guard lock(mutex_);
  const auto it = signals_.find(queue);
  if (!is_reachable_ || it == signals_.end()) return std::nullopt;
  return it->second;
}

void BrokerView::observe(const OutcomeEvent& event) {
  const ObjectKey key{ObjectKind::kJob, event.queue.namespace_name, event.source_name};
  const std::lock_guard lock(mutex_);
  outcomes_[{key, event.source_uid}] = {event.source_uid, event.queue, event.job};
}

void BrokerView::note_enqueued(const OutcomeEvent& event) {
  const ObjectKey key{ObjectKind::kJob, event.queue.namespace_name, event.source_name};
  const std::lock_guard lock(mutex_);
  outcomes_.try_emplace({key, event.source_uid}, Outcome{event.source_uid, event.queue, event.job});
}

std::vector<BrokerView::Outcome> BrokerView::outcomes(const ObjectKey& job) const {
  const std::lock_guard lock(mutex_);
  std::vector<Outcome> found;
  for (auto it = outcomes_.lower_bound({job, ""}); it != outcomes_.end() && it->first.first == job;
       ++it) {
    found.push_back(it->second);
  }
  return found;
}

std::vector<ObjectKey> BrokerView::outcome_keys() const {
  const std::lock_guard lock(mutex_);
  std::vector<ObjectKey> keys;
  for (const auto& [id, outcome] : outcomes_) {
    if (keys.empty() || keys.back() != id.first) keys.push_back(id.first);
  }
  return keys;
}

void BrokerView::drop_outcome(const ObjectKey& job, const std::string& source_uid) {
  const std::lock_guard lock(mutex_);
  outcomes_.erase({job, source_uid});
}

}  // namespace sluice::op
