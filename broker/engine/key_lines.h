// `concurrencyLimit.perKey`: jobs of one key wait in line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "broker/engine/ready_heaps.h"
#include "broker/engine/tenant_order.h"

namespace sluice::broker {

// Of the Ready jobs of a key at most one, the line's front, stands in the order of starts; the rest
// are parked here. It stands there only while the key may start one.
//
// Limit 1 is ordered mode: the front is the job with the lowest position, and there is none while
// one runs or backs off. As positions grow, the job that was claimed first is the lowest until it
// has ended. A higher limit counts what runs; there the order key decides.
//
// Time: O(log n) a call.
class KeyLines {
 public:
  // 0: keys are not limited. Requires: nothing is in here.
  void set_limit(int per_key) { limit_ = per_key; }
  int limit() const { return limit_; }
  std::size_t parked() const { return parked_; }
  // Parked jobs that may start once the fronts before them have.
  std::size_t startable() const { return startable_; }
  // When the oldest parked job became Ready.
  std::optional<TimePoint> oldest() const;

  // A job that became Ready.
  void enter(Slot slot, TenantOrder& order, JobTable& jobs);
  // A Ready job goes elsewhere; nobody moves up before count().
  void take_out(Slot slot, TenantOrder& order, JobTable& jobs);
  // So many more of the key run and back off; then the line moves up, or back.
  void count(const std::string& key, int running, int backing_off, TenantOrder& order,
             JobTable& jobs);

 private:
  struct Line {
    ReadyHeaps parked;
    Slot front = kNoSlot;  // in the order of starts
    int running = 0;
    int backing_off = 0;
    std::size_t startable = 0;        // as it stands in startable_
    std::optional<TimePoint> oldest;  // as it stands in by_age_
  };
  using Lines = std::unordered_map<std::string, Line>;

  void park(Line& line, Slot slot, JobTable& jobs);
  void unpark(Line& line, Slot slot, JobTable& jobs);
  bool goes_before(Slot a, Slot b, const JobTable& jobs) const;
  void move_up(Lines::iterator at, TenantOrder& order, JobTable& jobs);
  void note(Line& line, const JobTable& jobs);

  int limit_ = 0;
  std::size_t parked_ = 0;
  std::size_t startable_ = 0;
  Lines lines_;  // of the keys with jobs that are Ready, run or back off
  std::set<std::pair<TimePoint, const Line*>> by_age_;
};

}  // namespace sluice::broker
