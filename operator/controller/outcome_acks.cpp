#include "operator/controller/outcome_acks.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sluice::op {

OutcomeAcks::OutcomeAcks(const ReconcileContext& context) : context_(context) {}

Status OutcomeAcks::send(const QueueRef& queue, const ObjectKey& job, const std::string& uid) {
  std::unique_lock lock(mutex_);
  Waiting& waiting = waiting_[queue];  // only the one that sends erases it
  waiting.ended.push_back({job, uid});
  if (waiting.is_sending) return Ok{};
  waiting.is_sending = true;
  Status own = Ok{};
  for (bool is_first = true; !waiting.ended.empty(); is_first = false) {
    const auto count = static_cast<std::ptrdiff_t>(std::min(waiting.ended.size(), kIdsMax));
    const auto end = waiting.ended.begin() + count;
    const std::vector<Ended> batch(waiting.ended.begin(), end);
    waiting.ended.erase(waiting.ended.begin(), end);
    lock.unlock();
    Status sent = send_batch(queue, batch);
    if (!sent && !is_first) {
      for (const Ended& ended : batch) context_.queue.retry(ended.job);
    }
    if (is_first) own = std::move(sent);  // a batch of this one alone
    lock.lock();
  }
  waiting_.erase(queue);
  return own;
}

Status OutcomeAcks::send_batch(const QueueRef& queue, const std::vector<Ended>& batch) {
  std::vector<std::string> ids;
  ids.reserve(batch.size());
  for (const Ended& ended : batch) ids.push_back(ended.uid);
  Status done = context_.broker.acknowledge(queue, ids);
  if (!done && done.error().code != ErrorCode::kNotFound) return done;
  for (const Ended& ended : batch) context_.view.drop_outcome(ended.job, ended.uid);
  return Ok{};
}

}  // namespace sluice::op
