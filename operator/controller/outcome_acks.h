// Tells the broker which outcomes stand in their resources, many at a time.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "operator/controller/reconciler.h"

namespace sluice::op {

// Whoever comes while nobody is sending sends, until nothing is left; what others bring meanwhile
// goes along in one call. Nothing waits for a batch to fill. An acknowledgement that was lost with
// the process is asked for again: the feed then tells the outcome once more.
//
// Threads: any; blocks the one that sends.
class OutcomeAcks {
 public:
  static constexpr std::size_t kIdsMax = 100;  // of one call

  explicit OutcomeAcks(const ReconcileContext& context);

  // The record of `job`, whose UID is its id, may go. An error when this one could not be sent;
  // keys of others' that could not are queued for another try.
  Status send(const QueueRef& queue, const ObjectKey& job, const std::string& uid);

 private:
  struct Ended {
    ObjectKey job;
    std::string uid;
  };
  struct Waiting {
    std::vector<Ended> ended;
    bool is_sending = false;
  };

  Status send_batch(const QueueRef& queue, const std::vector<Ended>& batch);

  const ReconcileContext context_;
  std::mutex mutex_;
  std::map<QueueRef, Waiting> waiting_;
};

}  // namespace sluice::op
