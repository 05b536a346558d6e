#include "broker/engine/tenant_order.h"

#include "common/base/check.h"

namespace sluice::broker {

TenantOrder::Tenant& TenantOrder::tenant_of(const Job& job) {
  if (!job.extras || job.extras->tenant.empty()) return unnamed_;
  const auto [found, is_new] = named_.try_emplace(job.extras->tenant);
  if (is_new) found->second.name = &found->first;
  return found->second;
}

void TenantOrder::push(Slot slot, JobTable& jobs) {
  const Job& job = jobs[slot];
  Tenant& tenant = tenant_of(job);
  const bool was_listed = !tenant.jobs.empty();
  if (!was_listed) tenant.turn = turns_.insert(turns_.end(), &tenant);
  tenant.jobs.push(slot, job.priority, job.order_key, jobs);
  ++size_;
  note_age(tenant, jobs, was_listed);
}

void TenantOrder::erase(Slot slot, JobTable& jobs) {
  const Job& job = jobs[slot];
  Tenant& tenant = tenant_of(job);
  tenant.jobs.erase(slot, job.priority, jobs);
  --size_;
  if (tenant.jobs.empty()) {
    turns_.erase(tenant.turn);
    tenant.left = 0;
  }
  note_age(tenant, jobs, true);
  if (tenant.jobs.empty() && tenant.name != nullptr) named_.erase(*tenant.name);
}

// The unnamed one's age is looked up when it is asked for: most queues have no other.
void TenantOrder::note_age(Tenant& tenant, const JobTable& jobs, bool was_listed) {
  if (tenant.name == nullptr) return;
  const std::optional<TimePoint> oldest = tenant.jobs.oldest(jobs);
  if (was_listed && oldest == tenant.oldest) return;
  if (was_listed) by_age_.erase({tenant.oldest, &tenant});
  if (!oldest) return;
  tenant.oldest = *oldest;
  by_age_.insert({*oldest, &tenant});
}

Slot TenantOrder::next(const JobTable& jobs) const {
  return turns_.empty() ? kNoSlot : turns_.front()->jobs.first(jobs);
}

void TenantOrder::spend_turn(const Weights& weights) {
  CHECK(!turns_.empty());
  Tenant& tenant = *turns_.front();
  if (tenant.left == 0) {
    const auto weight = tenant.name == nullptr ? weights.end() : weights.find(*tenant.name);
    tenant.left = weight == weights.end() ? 1 : weight->second;
  }
  if (--tenant.left == 0) turns_.splice(turns_.end(), turns_, turns_.begin());
}

std::optional<TimePoint> TenantOrder::oldest(const JobTable& jobs) const {
  std::optional<TimePoint> oldest = unnamed_.jobs.oldest(jobs);
  if (by_age_.empty()) return oldest;
  const TimePoint named = by_age_.begin()->first;
  return std::min(oldest.value_or(named), named);
}

}  // namespace sluice::broker
