// How often a queue's pods failed to start in a row, why, and when the next one may be made.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "operator/plan/pool_plan.h"

namespace sluice::op {

// Of one template: another one starts anew, and so does a pod that becomes ready. Pods that were
// there together when one of them failed count once.
//
// Threads: not synchronized.
class StartFailures {
 public:
  // Pods are made again after 1, 2, 4… seconds, at most this many.
  static constexpr int kBackoffSecondsMax = 300;

  // `pods` are all there are; `template_hash` is today's.
  void observe(const std::string& template_hash, const std::vector<PodFacts>& pods, TimePoint now);

  // A pod could not be made, or was.
  void refused(std::string error, TimePoint now);
  void created() { create_error_.clear(); }

  bool is_failing() const { return count_ > 0; }
  std::optional<TimePoint> not_before(int backoff_seconds_max = kBackoffSecondsMax) const;
  // The last refusal, if it stands; how the last pod that failed ended.
  const std::string& create_error() const { return create_error_; }
  const std::string& start_error() const { return start_error_; }

 private:
  void count(TimePoint now);

  std::string template_hash_;
  int count_ = 0;
  TimePoint last_at_;
  std::string create_error_;
  std::string start_error_;
  std::set<std::string> seen_ready_;  // UIDs of pods that worked once
  std::set<std::string> counted_;     // UIDs of pods whose failure is no news
};

}  // namespace sluice::op
