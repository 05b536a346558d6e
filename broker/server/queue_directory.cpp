#include "broker/server/queue_directory.h"

#include <mutex>

namespace sluice::broker {

void QueueDirectory::put(const QueueName& queue, Entry entry) {
  const std::unique_lock lock(mutex_);
  entries_[queue] = entry;
}

void QueueDirectory::remove(const QueueName& queue) {
  const std::unique_lock lock(mutex_);
  entries_.erase(queue);
}

std::optional<QueueDirectory::Entry> QueueDirectory::find(const QueueName& queue) const {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(queue);
  if (found == entries_.end()) return {};
  return found->second;
}

std::optional<QueueName> QueueDirectory::name_of(QueueNumber number) const {
  const std::shared_lock lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    if (entry.number == number) return name;
  }
  return {};
}

std::vector<QueueDirectory::Named> QueueDirectory::of_namespace(const QueueName& queue) const {
  std::vector<Named> named;
  const std::shared_lock lock(mutex_);
  const auto own = entries_.find(queue);
  if (own != entries_.end()) named.push_back({own->first, own->second.number});
  for (auto at = entries_.lower_bound({queue.namespace_name, ""});
       at != entries_.end() && at->first.namespace_name == queue.namespace_name; ++at) {
    if (at != own) named.push_back({at->first, at->second.number});
  }
  return named;
}

}  // namespace sluice::broker
