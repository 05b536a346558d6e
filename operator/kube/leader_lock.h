// The right to be the one operator that acts, held as a Lease of coordination.k8s.io.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "operator/kube/api_client.h"
#include "operator/kube/backoff.h"
#include "operator/kube/leader_election.h"
#include "operator/kube/pause.h"

namespace sluice::kube {

struct LeaderLockOptions {
  std::string namespace_name;
  std::string name = "sluice-operator";
  std::string identity;  // of this process, unlike any other's
  LeaderTimes times = {};
  std::uint64_t jitter_seed = 1;
};

// Threads: acquire() and release() from one thread; stop() from any.
class LeaderLock {
 public:
  // `client` is used by nothing else, so that nothing else cancels it. `on_lost` is called once,
  // from a thread of the lock's, when the lead could not be renewed in time: others take it over
  // when the lease ends, `times.lease - times.renew` later, so the process has to be gone by then.
  LeaderLock(ApiClient& client, const Clock& clock, LeaderLockOptions options,
             std::function<void()> on_lost);
  ~LeaderLock();  // as release()
  LeaderLock(const LeaderLock&) = delete;
  LeaderLock& operator=(const LeaderLock&) = delete;

  // Blocks until this process leads, and keeps the lead from then on; false after stop().
  bool acquire();
  // Ends acquire(); a lead is kept until release().
  void stop() { acquiring_.end(); }
  // Stops renewing, and gives the lead to whoever waits for it.
  void release();

 private:
  void renew();
  // One round: read, decide, write.
  Status try_once(Duration timeout);
  Result<std::optional<LeaderRecord>> read(Duration timeout);
  Status write(const LeaderRecord& record, Duration timeout);
  void note_trouble(const Status& status);

  ApiClient& client_;
  const Clock& clock_;
  const LeaderLockOptions options_;
  const std::function<void()> on_lost_;
  LeaderElection election_;  // of one thread at a time: acquire()'s, then the renewing one's
  Backoff jitter_;
  Pause acquiring_;
  Pause leading_;
  std::string lease_json_;  // as last answered; empty: there is none
  bool is_in_trouble_ = false;
  std::string seen_holder_;
  std::thread renewing_;
};

}  // namespace sluice::kube
