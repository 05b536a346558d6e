// Which Events are worth a write: the same fact again is counted, and nobody fills etcd with them.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/base/clock.h"
#include "operator/controller/event_recorder.h"

namespace sluice::kube {

// What happened to whom.
struct EventFact {
  op::ObjectKey about;
  std::string uid;
  op::EventSeverity severity = op::EventSeverity::kNormal;
  std::string reason;
  std::string message;
  TimePoint at;
};

// Time: reads no clock. Threads: not synchronized.
class EventSeries {
 public:
  static constexpr std::size_t kSeriesMax = 512;  // the ones heard of longest ago are forgotten
  // Writes about one object: a burst, then one in a while. What is held back is still counted.
  static constexpr double kBurst = 10;
  static constexpr Duration kRefill = std::chrono::seconds{30};
  // Writes about all objects together: thousands may get into the same trouble at once.
  static constexpr double kBurstOfAll = 100;
  static constexpr Duration kRefillOfAll = std::chrono::milliseconds{500};
  // The API server keeps Events for an hour; a series that old is begun anew.
  static constexpr Duration kSeriesAge = std::chrono::minutes{50};

  struct Write {
    std::string name;    // of the Event
    bool is_new = true;  // otherwise only its count changes
    std::int64_t count = 1;
  };

  // `process` makes the names of this process' Events unlike any other's.
  explicit EventSeries(std::uint64_t process) : process_(process) {}

  // Counts the fact; what to write, if anything.
  std::optional<Write> note(const EventFact& fact, SteadyPoint now);
  // The Event is gone, or could not be made: the next time it is made anew.
  void forget(const EventFact& fact);

 private:
  struct Series {
    std::string key;
    std::string name;  // empty: nothing written yet
    std::int64_t count = 0;
    SteadyPoint began;
  };
  struct Bucket {
    double tokens = kBurst;
    SteadyPoint at;
  };

  Series& series_of(const std::string& key, SteadyPoint now);
  bool take_token(const std::string& uid, SteadyPoint now);
  bool take_common_token(SteadyPoint now);

  const std::uint64_t process_;
  std::uint64_t names_ = 0;
  std::list<Series> series_;  // heard of last comes first
  std::unordered_map<std::string, std::list<Series>::iterator> by_key_;
  std::unordered_map<std::string, Bucket> buckets_;  // full ones are dropped
  Bucket common_{kBurstOfAll, {}};
};

}  // namespace sluice::kube
