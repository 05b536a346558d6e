// Outcomes that the broker has not confirmed yet.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "common/api/job_protocol.h"

namespace sluice::worker {

// What the broker's answer to a settlement makes of it.
struct SettleVerdict {
  enum class Fate {
    kAccepted,  // settled
    kRefused,   // for good: the job is not ours any more, or the settlement cannot be told
    kAgain      // stays in the outbox
  };
  std::string id;
  Fate fate;
  int status;
};

// In order; a batch leaves it only by a verdict.
//
// Threads: not synchronized.
class SettleOutbox {
 public:
  static constexpr std::size_t kBatchMax = 100;
  static constexpr std::size_t kBatchBytesMax = 4 * 1024 * 1024;

  // What the handler left and the broker will not take makes the run a failure: a result becomes
  // ResultTooLarge, with `result_bytes_max` in the message, or ResultRefused, a follow-up job
  // FollowUpRefused with what the broker says of it.
  explicit SettleOutbox(std::size_t result_bytes_max) : result_bytes_max_(result_bytes_max) {}

  void add(api::Settlement settlement) { waiting_.push_back(std::move(settlement)); }
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }

  // The oldest settlements, within the bounds; never none unless empty.
  std::vector<api::Settlement> batch() const;

  // The broker answered for each of them.
  std::vector<SettleVerdict> answered(const std::vector<api::Settlement>& batch,
                                      const api::SettleReply& reply);

  // Whether a request that failed with `code` is worth sending again as it is.
  static bool may_succeed_later(ErrorCode code);

  // The broker refused the request itself.
  std::vector<SettleVerdict> refused(const std::vector<api::Settlement>& batch, const Error& error);

 private:
  SettleVerdict apply(const api::Settlement& told, const api::SettleReply::One& answer);

  std::size_t result_bytes_max_;
  std::deque<api::Settlement> waiting_;
  bool one_by_one_ = false;  // a batch was refused as such: find the one at fault
};

}  // namespace sluice::worker
