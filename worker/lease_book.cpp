#include "worker/lease_book.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {

void LeaseBook::add(const api::ClaimedJob& job) {
  leases_[job.id] = {.lease = job.lease,
                     .lease_time = std::chrono::seconds{std::max(job.lease_seconds, 1)},
                     .untold = {}};
}

void LeaseBook::remove(const std::string& id) {
  leases_.erase(id);
}

void LeaseBook::set_progress(const std::string& id, api::Progress progress) {
  const auto held = leases_.find(id);
  if (held == leases_.end()) return;
  held->second.untold = std::move(progress);
  has_progress_ = true;
}

Duration LeaseBook::interval() const {
  Duration shortest = draining_ ? kReportWhileDraining : kReportEvery;
  for (const auto& [id, held] : leases_) shortest = std::min(shortest, held.lease_time / 3);
  return shortest;
}

SteadyPoint LeaseBook::next_report() const {
  if (retry_at_) return *retry_at_;
  if (has_news_) return reported_at_;
  SteadyPoint due = reported_at_ + interval();
  if (has_progress_) due = std::min(due, reported_at_ + kProgressEvery);
  return due;
}

std::vector<api::LeaseReport> LeaseBook::take_report(SteadyPoint now) {
  std::vector<api::LeaseReport> report;
  report.reserve(leases_.size());
  for (auto& [id, held] : leases_) {
    report.push_back(
        {.id = id, .lease = held.lease, .progress = std::exchange(held.untold, std::nullopt)});
  }
  reported_at_ = now;
  retry_at_.reset();
  has_news_ = false;
  has_progress_ = false;
  return report;
}

void LeaseBook::report_failed(const std::vector<api::LeaseReport>& report, SteadyPoint now) {
  for (const api::LeaseReport& told : report) {
    const auto held = leases_.find(told.id);
    if (held == leases_.end() || held->second.untold || !told.progress) continue;
    held->second.untold = told.progress;
    has_progress_ = true;
  }
  retry_at_ = now + std::min(kRetryMax, interval() / 2);
}

Duration LeaseBook::report_timeout() const {
  return std::max<Duration>(interval() * 3 / 2, std::chrono::seconds{1});
}

}  // namespace sluice::worker
