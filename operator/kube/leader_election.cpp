#include "operator/kube/leader_election.h"

#include <utility>

namespace sluice::kube {

LeaderElection::LeaderElection(std::string identity, LeaderTimes times)
    : identity_(std::move(identity)), times_(times) {}

void LeaderElection::observed(const std::optional<LeaderRecord>& record, SteadyPoint now) {
  if (record == record_) return;
  record_ = record;
  observed_at_ = now;
}

LeaderElection::Step LeaderElection::next(SteadyPoint now) const {
  if (!record_ || record_->holder.empty()) return Step::kTake;
  if (record_->holder == identity_) return Step::kRenew;
  return now >= observed_at_ + record_->duration ? Step::kTake : Step::kWait;
}

LeaderRecord LeaderElection::wanted(TimePoint now) const {
  LeaderRecord record;
  record.holder = identity_;
  record.duration = times_.lease;
  record.renew_time = format_micro_time(now);
  record.acquire_time = is_holder() ? record_->acquire_time : record.renew_time;
  if (record_) record.transitions = record_->transitions + (is_holder() ? 0 : 1);
  return record;
}

void LeaderElection::written(const LeaderRecord& record, SteadyPoint sent_at) {
  record_ = record;
  observed_at_ = sent_at;
  renewed_at_ = sent_at;
  has_written_ = true;
}

LeaderRecord LeaderElection::released(TimePoint now) const {
  LeaderRecord record = record_.value_or(LeaderRecord{});
  record.holder.clear();
  record.duration = std::chrono::seconds{1};
  record.renew_time = format_micro_time(now);
  return record;
}

std::string format_micro_time(TimePoint time) {
  std::string text = format_rfc3339_millis(time);
  text.insert(text.size() - 1, "000");
  return text;
}

}  // namespace sluice::kube
