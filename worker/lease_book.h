// The leases a worker holds, and when the broker must hear of them again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/base/clock.h"

namespace sluice::worker {

// One report extends every lease, so that there is one next time for all of them: a third of the
// shortest lease after the last one, sooner for progress or other news.
//
// Time: reads no clock, callers pass `now`.
// Threads: not synchronized.
class LeaseBook {
 public:
  static constexpr Duration kReportEvery = std::chrono::seconds{10};  // also without a lease
  // An idle draining worker makes no claims, so this is how it hears that it may go on.
  static constexpr Duration kReportWhileDraining = std::chrono::seconds{1};
  static constexpr Duration kProgressEvery = std::chrono::milliseconds{500};
  static constexpr Duration kRetryMax = std::chrono::seconds{2};

  explicit LeaseBook(SteadyPoint now) : reported_at_(now) {}

  // From the claim until its settlement is final.
  void add(const api::ClaimedJob& job);
  void remove(const std::string& id);
  int size() const { return static_cast<int>(leases_.size()); }

  void set_progress(const std::string& id, api::Progress progress);
  // The next report is due at once: the last job was settled, or the worker stops.
  void report_soon() { has_news_ = true; }
  // The broker wants the worker to drain, or no longer: also reported at once.
  void set_draining(bool draining) {
    draining_ = draining;
    report_soon();
  }

  SteadyPoint next_report() const;

  // Every lease, with the progress that was not told yet. Counts as told.
  std::vector<api::LeaseReport> take_report(SteadyPoint now);

  // The report did not arrive: its progress is told again, soon.
  void report_failed(const std::vector<api::LeaseReport>& report, SteadyPoint now);

  // How long a report may take before the next one matters more.
  Duration report_timeout() const;

 private:
  struct Held {
    std::string lease;
    Duration lease_time;
    std::optional<api::Progress> untold;
  };

  Duration interval() const;  // between reports when nothing is new

  std::map<std::string, Held> leases_;
  SteadyPoint reported_at_;
  std::optional<SteadyPoint> retry_at_;
  bool draining_ = false;
  bool has_news_ = false;
  bool has_progress_ = false;
};

}  // namespace sluice::worker
