// Keys that wait to be reconciled.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "common/base/clock.h"
#include "operator/controller/object_store.h"

namespace sluice::op {

// What just happened is served in turn with the backlog (a relist, retries), so that neither waits
// for the whole of the other (SURVIVAL 14).
enum class Lane { kEvent, kBacklog };

// Each key is worked on by one taker at a time, waits at most once, and is served again when it was
// added while being worked on.
//
// Time: delays are measured on the injected clock's steady scale.
// Threads: any; only take() blocks.
class WorkQueue {
 public:
  struct Figures {
    std::size_t depth = 0;      // keys that wait and are due
    std::uint64_t adds = 0;     // ever; a key that waits already is not added again
    std::uint64_t retries = 0;  // ever
  };

  static constexpr Duration kRetryMin = std::chrono::milliseconds{5};
  static constexpr Duration kRetryMax = std::chrono::seconds{60};
  // A key that failed this often in a row no longer keeps the queue from being idle.
  static constexpr int kPatientRetries = 8;

  WorkQueue(const Clock& clock, std::uint64_t jitter_seed);

  // A key that waits in the backlog is moved up by an event.
  void add(const ObjectKey& key, Lane lane = Lane::kEvent);
  // Serves the key again after `delay`, or earlier when it is added before: taking a key forgets
  // its delay, because reconciling it computes the next one.
  void add_after(const ObjectKey& key, Duration delay);
  // add_after with full jitter up to kRetryMin × 2^failures, at most kRetryMax.
  void retry(const ObjectKey& key);
  // It succeeded: the next failure starts from kRetryMin again.
  void forget(const ObjectKey& key);

  // The next key; absent after shut_down(). done() follows for each.
  std::optional<ObjectKey> take();
  // The same, absent when nothing is due.
  std::optional<ObjectKey> try_take();
  void done(const ObjectKey& key);

  Figures figures() const;
  // Nothing waits, is worked on, or is among its first retries.
  bool is_idle() const;
  bool wait_idle(std::chrono::milliseconds timeout);
  // The clock was moved by hand.
  void wake();
  void shut_down();

 private:
  struct Entry {
    std::optional<Lane> waiting;  // in that lane
    bool is_processing = false;
    std::optional<Lane> again;  // added while processing
    std::optional<SteadyPoint> due;
    bool is_retry = false;    // what is due
    bool is_patient = false;  // the retry counts against idleness
    int failures = 0;
  };

  void add_locked(const ObjectKey& key, Lane lane);
  void delay_locked(const ObjectKey& key, Duration delay, bool is_retry);
  void cancel_delay_locked(const ObjectKey& key, Entry& entry);
  void move_due_locked();
  std::optional<ObjectKey> pop_locked(Lane lane);
  std::optional<ObjectKey> take_locked();
  void drop_if_unused_locked(const ObjectKey& key);
  bool is_idle_locked() const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::map<ObjectKey, Entry> entries_;
  std::deque<ObjectKey> lanes_[2];  // also holds keys that have moved to the other lane: skipped
  std::set<std::pair<SteadyPoint, ObjectKey>> delayed_;
  std::size_t waiting_ = 0;
  std::size_t processing_ = 0;
  std::uint64_t adds_ = 0;
  std::uint64_t retries_ = 0;
  std::size_t patient_retries_ = 0;
  Lane turn_ = Lane::kEvent;
  std::minstd_rand jitter_;
  bool is_shut_down_ = false;
};

}  // namespace sluice::op
