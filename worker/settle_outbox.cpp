#include "worker/settle_outbox.h"

#include <algorithm>
#include <utility>

#include "worker/handler_outcome.h"

namespace sluice::worker {
namespace {

constexpr int kNoAnswer = 503;  // the broker left this one out of its answer

bool is_success(int status) {
  return status >= 200 && status < 300;
}

bool is_passing(int status) {
  return status >= 500 || status == 401 || status == 403 || status == 408 || status == 429;
}

}  // namespace

std::vector<api::Settlement> SettleOutbox::batch() const {
  const std::size_t count_max = one_by_one_ ? 1 : kBatchMax;
  std::vector<api::Settlement> taken;
  std::size_t bytes = 0;
  for (const api::Settlement& one : waiting_) {
    bytes += one.result_json.size();
    if (taken.size() == count_max || (!taken.empty() && bytes > kBatchBytesMax)) break;
    taken.push_back(one);
  }
  return taken;
}

SettleVerdict SettleOutbox::apply(const api::Settlement& told, int status) {
  using Fate = SettleVerdict::Fate;
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& one) {
    return one.id == told.id && one.lease == told.lease;
  });
  // A result the broker will not take is the handler's failure; a settlement without one that is
  // refused has no other form to try.
  const bool blames_result = (status == 413 || status == 400) && !told.result_json.empty();
  if (blames_result || is_passing(status)) {
    if (blames_result && waiting != waiting_.end()) {
      RunOutcome failure = result_too_large(result_bytes_max_);
      if (status == 400) {
        failure.error->reason = "ResultRefused";
        failure.error->message = "the broker does not take the result as JSON";
      }
      waiting->outcome = failure.outcome;
      waiting->error = std::move(failure.error);
      waiting->result_json.clear();
    }
    return {told.id, Fate::kAgain, status};
  }
  if (waiting != waiting_.end()) waiting_.erase(waiting);
  return {told.id, is_success(status) ? Fate::kAccepted : Fate::kRefused, status};
}

std::vector<SettleVerdict> SettleOutbox::answered(const std::vector<api::Settlement>& batch,
                                                  const api::SettleReply& reply) {
  one_by_one_ = false;
  std::vector<SettleVerdict> verdicts;
  verdicts.reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    // Answers come in order; the id guards against a broker that thinks otherwise.
    const bool is_answered = i < reply.results.size() && reply.results[i].id == batch[i].id;
    verdicts.push_back(apply(batch[i], is_answered ? reply.results[i].status : kNoAnswer));
  }
  return verdicts;
}

bool SettleOutbox::may_succeed_later(ErrorCode code) {
  return is_passing(api::http_status(code));
}

std::vector<SettleVerdict> SettleOutbox::refused(const std::vector<api::Settlement>& batch,
                                                 ErrorCode code) {
  const int status = api::http_status(code);
  if (may_succeed_later(code)) return {};
  if (batch.size() > 1) {
    one_by_one_ = true;
    return {};
  }
  std::vector<SettleVerdict> verdicts;
  for (const api::Settlement& one : batch) verdicts.push_back(apply(one, status));
  return verdicts;
}

}  // namespace sluice::worker
