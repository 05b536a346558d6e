// Which job starts next: tenants take turns, and within a tenant the order key decides.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "broker/engine/ready_heaps.h"

namespace sluice::broker {

// Deficit round-robin among the tenants with jobs in here; a job costs one, a turn is worth the
// tenant's weight. Whoever comes anew stands at the end, so a tenant waits for at most one turn of
// each other. Jobs without a tenant are one tenant, of weight 1.
//
// Time: O(log n) a call, whatever the number of tenants.
class TenantOrder {
 public:
  using Weights = std::map<std::string, int>;  // tenants that are not named: 1

  TenantOrder() = default;
  TenantOrder(const TenantOrder&) = delete;
  TenantOrder& operator=(const TenantOrder&) = delete;

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  // By the job's tenant, priority and order key; none of these changes while it is in here.
  void push(Slot slot, JobTable& jobs);
  void erase(Slot slot, JobTable& jobs);
  // The job to start next; kNoSlot when there is none.
  Slot next(const JobTable& jobs) const;
  // next() starts: call before it is erased.
  void spend_turn(const Weights& weights);
  // When the oldest of all became Ready.
  std::optional<TimePoint> oldest(const JobTable& jobs) const;

 private:
  struct Tenant {
    const std::string* name = nullptr;  // null: jobs without one
    ReadyHeaps jobs;
    int left = 0;  // starts of its present turn; 0: the turn has not begun
    std::list<Tenant*>::iterator turn;
    TimePoint oldest;  // as it stands in by_age_
  };

  Tenant& tenant_of(const Job& job);
  void note_age(Tenant& tenant, const JobTable& jobs, bool was_listed);

  Tenant unnamed_;
  std::unordered_map<std::string, Tenant> named_;         // those with jobs
  std::list<Tenant*> turns_;                              // those with jobs, the first one's turn
  std::set<std::pair<TimePoint, const Tenant*>> by_age_;  // of named_
  std::size_t size_ = 0;
};

}  // namespace sluice::broker
