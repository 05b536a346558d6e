#include "cli/local/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "common/base/check.h"

namespace sluice::local {
namespace {

constexpr int kEventsMax = 64;  // of one wait

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::make(const Clock& clock) {
  std::unique_ptr<EventLoop> loop(new EventLoop(clock));
  loop->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!loop->epoll_) return system_error("epoll_create1");
  loop->wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!loop->wake_) return system_error("eventfd");
  loop->watch(loop->wake_.get(), [raw = loop.get()] { raw->run_posted(); });
  return loop;
}

void EventLoop::watch(int fd, std::function<void()> on_readable) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  readers_[fd] = std::move(on_readable);
}

void EventLoop::unwatch(int fd) {
  CHECK(readers_.erase(fd) == 1);
  CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
}

void EventLoop::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the loop is being woken anyway.
  static_cast<void>(!::write(wake_.get(), &one, sizeof(one)));
}

void EventLoop::after(Duration delay, std::function<void()> work) {
  timers_.emplace(clock_.now().steady + delay, std::move(work));
}

void EventLoop::run_once(Duration wait_max) {
  using std::chrono::milliseconds;
  Duration wait = wait_max;
  if (!timers_.empty()) {
    wait = std::clamp(timers_.begin()->first - clock_.now().steady, Duration::zero(), wait_max);
  }
  epoll_event events[kEventsMax];
  const auto wait_ms = std::chrono::ceil<milliseconds>(wait).count();
  const int count = ::epoll_wait(epoll_.get(), events, kEventsMax, static_cast<int>(wait_ms));
  for (int i = 0; i < count; ++i) {
    // A callback before this one may have unwatched it.
    const auto found = readers_.find(events[i].data.fd);
    if (found == readers_.end()) continue;
    const std::function<void()> on_readable = found->second;  // it may unwatch itself
    on_readable();
  }
  run_due();
}

void EventLoop::run_posted() {
  std::uint64_t count = 0;
  static_cast<void>(!::read(wake_.get(), &count, sizeof(count)));
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(posted_);
  }
  for (const auto& one : work) one();
}

void EventLoop::run_due() {
  const SteadyPoint now = clock_.now().steady;
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const auto work = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    work();
  }
}

}  // namespace sluice::local
