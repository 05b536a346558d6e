// Where requests wait, and how what the engine did reaches them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/commit/engine_loop.h"

namespace sluice::broker {

// Something that waits on a network thread. wake() only marks it and lets it run: it does not
// call back. On its own thread.
class Sleeper {
 public:
  virtual ~Sleeper() = default;
  virtual void wake() = 0;
};

// A claim that waits for jobs.
struct ClaimWait {
  Sleeper& sleeper;
  std::optional<Result<ClaimGrant>> grant;
};

// A stream of signals or events: lines, newline included, shared by all streams.
class LineReader {
 public:
  virtual ~LineReader() = default;
  virtual void push(const std::shared_ptr<const std::string>& lines) = 0;
};

// Who waits for what on one network thread. Used on that thread alone, but for wants_*().
class Desk {
 public:
  // `hand_back` gets the grants of claims that do not wait any more.
  Desk(std::size_t index, std::size_t desks, std::function<void(const ClaimGrant&)> hand_back);

  WaiterId next_waiter();
  void add_claim(WaiterId waiter, ClaimWait& wait) { claims_.emplace(waiter, &wait); }
  void remove_claim(WaiterId waiter) { claims_.erase(waiter); }

  void add_job(JobId id, Sleeper& sleeper);
  void remove_job(JobId id, Sleeper& sleeper);
  void add_outcome(Sleeper& sleeper);
  void remove_outcome(Sleeper& sleeper);
  void add_stream(LineReader& reader);
  void remove_stream(LineReader& reader);
  void add_event_stream(const QueueName& queue, LineReader& reader);
  void remove_event_stream(const QueueName& queue, LineReader& reader);

  void deliver_claims(std::vector<Effects::WokenClaim>& claims);
  void deliver_ended(const std::vector<JobId>& ended);
  void deliver_outcomes();
  void deliver_lines(const std::shared_ptr<const std::string>& lines);
  void deliver_events(const QueueName& queue, const std::shared_ptr<const std::string>& events);

  // Any thread; may be a moment late only for who registers after the effect's own step.
  bool wants_jobs() const { return job_count_.load() > 0; }
  bool wants_outcomes() const { return outcome_count_.load() > 0; }
  bool wants_lines() const { return stream_count_.load() > 0; }
  bool wants_events() const { return event_stream_count_.load() > 0; }

 private:
  const std::size_t desks_;
  WaiterId last_waiter_;
  std::function<void(const ClaimGrant&)> hand_back_;
  std::unordered_map<WaiterId, ClaimWait*> claims_;
  std::unordered_multimap<JobId, Sleeper*> jobs_;
  std::set<Sleeper*> outcomes_;
  std::set<LineReader*> streams_;
  std::multimap<QueueName, LineReader*> event_streams_;
  std::atomic<std::size_t> job_count_{0};
  std::atomic<std::size_t> outcome_count_{0};
  std::atomic<std::size_t> stream_count_{0};
  std::atomic<std::size_t> event_stream_count_{0};
};

// Takes effects on the commit thread and hands each network thread its own.
class Hub final : public EffectsListener {
 public:
  using Post = std::function<void(std::function<void()>)>;  // runs it on the desk's thread

  // Before the engine's loop starts. `send_answered` is called after each batch.
  void add_desk(Desk& desk, Post post, std::function<void()> send_answered) {
    places_.push_back({&desk, std::move(post), std::move(send_answered)});
  }

  // Before the engine's loop starts; called on the commit thread, and must not block.
  void set_deliverer(std::function<void(const QueueName&, QueueNumber)> deliverer) {
    deliver_ = std::move(deliverer);
  }

  void on_effects(Effects&& effects) override;
  void on_batch_released() override;

 private:
  struct Place {
    Desk* desk;
    Post post;
    std::function<void()> send_answered;
  };
  void send_claims(std::vector<Effects::WokenClaim> claims);
  void send_lines(const std::vector<api::QueueSignal>& signals);
  void send_events(const std::vector<Effects::JobEnd>& ends);

  std::vector<Place> places_;
  std::function<void(const QueueName&, QueueNumber)> deliver_;
};

}  // namespace sluice::broker
