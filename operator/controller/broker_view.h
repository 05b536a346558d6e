// What the operator last heard from the broker.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operator/controller/broker_api.h"
#include "operator/controller/object_store.h"

namespace sluice::op {

// Written by BrokerSync, read by the reconcilers. While the broker is away nothing in it is shown:
// unknown is never an empty queue (SURVIVAL 16).
//
// Threads: any.
class BrokerView {
 public:
  bool is_reachable() const;
  // Counts connections: whatever was learnt from the broker in an earlier session is asked again.
  std::uint64_t session() const;

  // A new session, with every queue the broker has.
  void connected(const std::vector<std::pair<QueueRef, BrokerQueue>>& queues);
  // Whether it was reachable until now.
  bool disconnected();

  // Whether the figures or workers differ from those before.
  bool observe(const api::QueueSignal& signal);
  // Figures and workers as last signalled; absent while away or never heard of.
  std::optional<api::QueueSignal> signal(const QueueRef& queue) const;

  void observe(const OutcomeEvent& event);
  // The answer to an enqueue of ours: the feed may have told more by now, which then stays.
  void note_enqueued(const OutcomeEvent& event);
  struct Outcome {
    std::string source_uid;
    QueueRef queue;
    BrokerJob job;
  };
  // Of every Job resource that has or had this key.
  std::vector<Outcome> outcomes(const ObjectKey& job) const;
  std::vector<ObjectKey> outcome_keys() const;
  // Its record was acknowledged.
  void drop_outcome(const ObjectKey& job, const std::string& source_uid);

 private:
  mutable std::mutex mutex_;
  bool is_reachable_ = false;
  std::uint64_t session_ = 0;
  std::map<QueueRef, api::QueueSignal> signals_;
  std::map<std::pair<ObjectKey, std::string>, Outcome> outcomes_;  // by key and source uid
};

}  // namespace sluice::op
