// What network threads know about queues without asking the engine.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "broker/engine/types.h"

namespace sluice::broker {

// A copy that may be a moment old: it bounds bodies before they are kept and finds the store's
// keys. The engine has the last word on both. Any thread.
class QueueDirectory {
 public:
  struct Entry {
    QueueNumber number{};
    std::int64_t payload_bytes_max = 0;
  };

  void put(const QueueName& queue, Entry entry);
  void remove(const QueueName& queue);

  std::optional<Entry> find(const QueueName& queue) const;
  std::optional<QueueName> name_of(QueueNumber number) const;

  struct Named {
    QueueName name;
    QueueNumber number{};
  };
  // Every queue of the namespace of this one, which stands first.
  std::vector<Named> of_namespace(const QueueName& queue) const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<QueueName, Entry> entries_;
};

}  // namespace sluice::broker
