// The one thread of `sluice dev` that owns processes, pods and the terminal: waits, then calls
// back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cli/local/files.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::local {

// Callbacks run inside run_once, never two at a time.
//
// Threads: post() from any; the rest from the thread that calls run_once().
class EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> make(const Clock& clock);

  // Calls `on_readable` while `fd` has input or is closed by the other side. `fd` outlives this.
  void watch(int fd, std::function<void()> on_readable);
  // Requires: is watched. May be called from inside a callback.
  void unwatch(int fd);

  // Runs `work` soon. Never blocks.
  void post(std::function<void()> work);
  // Runs `work` once `delay` has passed.
  void after(Duration delay, std::function<void()> work);

  // Waits for something to do, at most `wait_max`, and does it.
  void run_once(Duration wait_max);

 private:
  explicit EventLoop(const Clock& clock) : clock_(clock) {}

  void run_posted();
  void run_due();

  const Clock& clock_;
  Fd epoll_;
  Fd wake_;
  std::map<int, std::function<void()>> readers_;
  std::multimap<SteadyPoint, std::function<void()>> timers_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
};

}  // namespace sluice::local
