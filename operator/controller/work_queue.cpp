#include "operator/controller/work_queue.h"

#include <algorithm>

#include "common/base/check.h"

namespace sluice::op {
namespace {

Lane other(Lane lane) {
  return lane == Lane::kEvent ? Lane::kBacklog : Lane::kEvent;
}

std::size_t index_of(Lane lane) {
  return lane == Lane::kEvent ? 0 : 1;
}

Duration retry_limit(int failures) {
  // 5 ms × 2^14 is past the maximum: no shift beyond that.
  const int doublings = std::min(failures, 14);
  return std::min(WorkQueue::kRetryMin * (1 << doublings), WorkQueue::kRetryMax);
}

}  // namespace

WorkQueue::WorkQueue(const Clock& clock, std::uint64_t jitter_seed)
    : clock_(clock), jitter_(static_cast<std::minstd_rand::result_type>(jitter_seed)) {}

void WorkQueue::add(const ObjectKey& key, Lane lane) {
  {
    const std::lock_guard lock(mutex_);
    if (is_shut_down_) return;
    add_locked(key, lane);
  }
  wake_.notify_one();
}

void WorkQueue::add_after(const ObjectKey& key, Duration delay) {
  {
    const std::lock_guard lock(mutex_);
    if (is_shut_down_) return;
    delay_locked(key, delay, false);
  }
  wake_.notify_one();
}

void WorkQueue::retry(const ObjectKey& key) {
  {
    const std::lock_guard lock(mutex_);
    if (is_shut_down_) return;
    ++retries_;
    const Duration limit = retry_limit(entries_[key].failures++);
    std::uniform_int_distribution<Duration::rep> below(1, limit.count());
    delay_locked(key, Duration{below(jitter_)}, true);
  }
  wake_.notify_one();
}

void WorkQueue::forget(const ObjectKey& key) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(key);
  if (it == entries_.end()) return;
  it->second.failures = 0;
  drop_if_unused_locked(key);
}

std::optional<ObjectKey> WorkQueue::take() {
  std::unique_lock lock(mutex_);
  while (!is_shut_down_) {
    if (auto key = take_locked()) return key;
    if (delayed_.empty()) {
      wake_.wait(lock);
    } else {
      wake_.wait_for(lock, delayed_.begin()->first - clock_.now().steady);
    }
  }
  return std::nullopt;
}

std::optional<ObjectKey> WorkQueue::try_take() {
  const std::lock_guard lock(mutex_);
  return take_locked();
}

void WorkQueue::done(const ObjectKey& key) {
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(key);
    CHECK(it != entries_.end() && it->second.is_processing);
    Entry& entry = it->second;
    entry.is_processing = false;
    --processing_;
    if (entry.again && !is_shut_down_) {
      const Lane lane = *entry.again;
      entry.again.reset();
      add_locked(key, lane);
      more = true;
    } else {
      drop_if_unused_locked(key);
    }
  }
  if (more) wake_.notify_one();
  idle_.notify_all();
}

WorkQueue::Figures WorkQueue::figures() const {
  const std::lock_guard lock(mutex_);
  return {waiting_, adds_, retries_};
}

bool WorkQueue::is_idle() const {
  const std::lock_guard lock(mutex_);
  return is_idle_locked();
}

bool WorkQueue::wait_idle(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, timeout, [this] { return is_idle_locked(); });
}

void WorkQueue::wake() {
  {
    const std::lock_guard lock(mutex_);
  }
  wake_.notify_all();
}

void WorkQueue::shut_down() {
  {
    const std::lock_guard lock(mutex_);
    is_shut_down_ = true;
  }
  wake_.notify_all();
  idle_.notify_all();
}

void WorkQueue::add_locked(const ObjectKey& key, Lane lane) {
  Entry& entry = entries_[key];
  if (entry.is_processing) {
    if (entry.again != Lane::kEvent) entry.again = lane;
    return;
  }
  if (entry.waiting == Lane::kEvent || entry.waiting == lane) return;
  if (!entry.waiting) {
    ++waiting_;
    ++adds_;
  }
  entry.waiting = lane;
  lanes_[index_of(lane)].push_back(key);
}

void WorkQueue::delay_locked(const ObjectKey& key, Duration delay, bool is_retry) {
  if (delay <= Duration::zero()) {
    add_locked(key, is_retry ? Lane::kBacklog : Lane::kEvent);
    return;
  }
  const SteadyPoint due = clock_.now().steady + delay;
  Entry& entry = entries_[key];
  if (entry.due && *entry.due <= due) return;
  cancel_delay_locked(key, entry);
  entry.due = due;
  entry.is_retry = is_retry;
  entry.is_patient = is_retry && entry.failures <= kPatientRetries;
  if (entry.is_patient) ++patient_retries_;
  delayed_.insert({due, key});
}

void WorkQueue::cancel_delay_locked(const ObjectKey& key, Entry& entry) {
  if (!entry.due) return;
  delayed_.erase({*entry.due, key});
  if (entry.is_patient) --patient_retries_;
  entry.due.reset();
  entry.is_retry = false;
  entry.is_patient = false;
}

void WorkQueue::move_due_locked() {
  if (delayed_.empty()) return;
  const SteadyPoint now = clock_.now().steady;
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    const ObjectKey key = delayed_.begin()->second;
    Entry& entry = entries_[key];
    const Lane lane = entry.is_retry ? Lane::kBacklog : Lane::kEvent;
    cancel_delay_locked(key, entry);
    add_locked(key, lane);
  }
}

std::optional<ObjectKey> WorkQueue::pop_locked(Lane lane) {
  auto& keys = lanes_[index_of(lane)];
  while (!keys.empty()) {
    ObjectKey key = std::move(keys.front());
    keys.pop_front();
    const auto it = entries_.find(key);
    if (it != entries_.end() && it->second.waiting == lane) return key;
  }
  return std::nullopt;
}

std::optional<ObjectKey> WorkQueue::take_locked() {
  if (is_shut_down_) return std::nullopt;
  move_due_locked();
  auto key = pop_locked(turn_);
  if (!key) key = pop_locked(other(turn_));
  turn_ = other(turn_);
  if (!key) return std::nullopt;

  Entry& entry = entries_[*key];
  entry.waiting.reset();
  cancel_delay_locked(*key, entry);
  entry.is_processing = true;
  --waiting_;
  ++processing_;
  return key;
}

void WorkQueue::drop_if_unused_locked(const ObjectKey& key) {
  const auto it = entries_.find(key);
  const Entry& entry = it->second;
  if (!entry.waiting && !entry.is_processing && !entry.due && entry.failures == 0) {
    entries_.erase(it);
  }
}

bool WorkQueue::is_idle_locked() const {
  return waiting_ == 0 && processing_ == 0 && patient_retries_ == 0;
}

}  // namespace sluice::op
