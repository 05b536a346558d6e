// What the clients of a BrokerWorld know, from replies that reached them.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/engine/commands.h"
#include "broker/engine/types.h"

namespace sluice::broker::testing {

// About one job.
struct KnownJob {
  bool settled = false;  // a Succeeded settlement was answered ok
  bool has_follow_up = false;
  bool cancel_answered = false;
  bool has_source = false;  // a resource stands behind it
  bool has_callback = false;
  int runs_delivered = 0;
  std::vector<JobId> parents;
  bool runs_anyway = false;      // whatever becomes of them
  std::uint32_t runs_ended = 0;  // at least so many
};

// A setting that crashes must not change: after one it is what was answered last, or what was
// asked for since.
template <typename T>
class Setting {
 public:
  void ask(T value) { asked_.push_back(value); }
  // Answers come in the order of the questions.
  void answer() {
    durable_ = {asked_.front()};
    asked_.pop_front();
  }
  void crash() {
    durable_.insert(durable_.end(), asked_.begin(), asked_.end());
    asked_.clear();
  }
  // Whether it may have this value; from then on it has.
  bool see(const T& value) {
    if (!asked_.empty()) return value == asked_.back();
    const bool may_be = std::find(durable_.begin(), durable_.end(), value) != durable_.end();
    durable_ = {value};
    return may_be;
  }

 private:
  std::deque<T> durable_ = {T{}};  // one of these is
  std::deque<T> asked_;
};

// What listeners were told, until the next start shows whether it was true.
struct Told {
  std::map<JobId, api::JobState> ends;       // for good: Succeeded or Cancelled
  std::set<JobId> dead;                      // and not redriven since
  std::optional<api::QueueFigures> figures;  // by a signal that nothing has followed
};

// A lease as its worker sees it.
struct HeldLease {
  JobId job;
  ClaimNumber claim{};
  std::string worker;
};

// A lease as the engine granted it.
struct Promise {
  ClaimNumber claim{};
  std::string worker;
  SteadyPoint lease_until;
  SteadyPoint times_out_at;
  TimePoint deadline;
  bool delivered = false;
};

// What a producer sends, and may send again. Without either it is sent once.
struct Wanted {
  std::string key;
  std::optional<JobId> id;
};

// Jobs on their way to the engine, in one request.
struct EnqueueRequest {
  struct Draft {
    Wanted wanted;
    NewJob job;
    Lookup lookup;
  };
  std::vector<Draft> drafts;
  BatchNumber as_of = 0;
};

// Jobs that one step made.
struct SentBatch {
  std::vector<JobId> jobs;
  bool answered = false;
};

struct SentGroup {
  std::vector<JobId> jobs;
  bool answered = false;
  bool has_callback = false;
};

}  // namespace sluice::broker::testing
