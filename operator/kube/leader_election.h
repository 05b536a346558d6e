// Who leads, decided from a shared record that everybody renews: client-go's rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/clock.h"

namespace sluice::kube {

// The Lease as it stands. Its times are other machines' and only compared with each other, for
// having changed (SURVIVAL 8).
struct LeaderRecord {
  std::string holder;  // empty: given up
  std::chrono::seconds duration{0};
  std::string acquire_time;
  std::string renew_time;
  std::int64_t transitions = 0;
  friend bool operator==(const LeaderRecord&, const LeaderRecord&) = default;
};

struct LeaderTimes {
  std::chrono::seconds lease{15};  // others wait as long before they take over
  std::chrono::seconds renew{10};  // a leader that could not renew for as long gives up
  std::chrono::seconds retry{2};
};

// Time: reads no clock; measures only since when it has seen the record unchanged, on this machine.
// Threads: not synchronized.
class LeaderElection {
 public:
  enum class Step { kTake, kRenew, kWait };

  LeaderElection(std::string identity, LeaderTimes times);

  // The record as just read; absent: there is none.
  void observed(const std::optional<LeaderRecord>& record, SteadyPoint now);
  // What to do about the record last observed.
  Step next(SteadyPoint now) const;
  // What to write for kTake and kRenew.
  LeaderRecord wanted(TimePoint now) const;
  // `record` was accepted; `sent_at` is from before it was sent, because others may have seen it as
  // early as that.
  void written(const LeaderRecord& record, SteadyPoint sent_at);

  // Whether the record is ours, and until when that is good without another renewal.
  bool is_holder() const { return record_ && record_->holder == identity_; }
  SteadyPoint leads_until() const { return renewed_at_ + times_.renew; }
  bool is_leader(SteadyPoint now) const {
    return has_written_ && is_holder() && now < leads_until();
  }

  // The record that gives the lead up at once.
  LeaderRecord released(TimePoint now) const;
  const std::optional<LeaderRecord>& record() const { return record_; }

 private:
  const std::string identity_;
  const LeaderTimes times_;
  std::optional<LeaderRecord> record_;
  SteadyPoint observed_at_;  // when the record was first seen as it is
  SteadyPoint renewed_at_;
  bool has_written_ = false;
};

// "2026-11-22T16:00:00.250000Z": the API server wants six digits.
std::string format_micro_time(TimePoint time);

}  // namespace sluice::kube
