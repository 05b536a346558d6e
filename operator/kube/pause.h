// Waiting that can be ended.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "common/base/clock.h"

namespace sluice::kube {

// Threads: any.
class Pause {
 public:
  // Waits for `duration`; false, at once, when it was ended.
  bool wait(Duration duration) {
    std::unique_lock lock(mutex_);
    return !ended_.wait_for(lock, duration, [this] { return is_ended_; });
  }
  void wait_for_end() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return is_ended_; });
  }
  // Ends every wait, and refuses later ones. For good.
  void end() {
    {
      const std::lock_guard lock(mutex_);
      is_ended_ = true;
    }
    ended_.notify_all();
  }
  bool is_ended() const {
    const std::lock_guard lock(mutex_);
    return is_ended_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool is_ended_ = false;
};

}  // namespace sluice::kube
