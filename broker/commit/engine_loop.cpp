#include "broker/commit/engine_loop.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "common/base/check.h"
#include "common/base/log.h"

namespace sluice::broker {
namespace {

// What is submitted waits for the commit thread when the open batch has grown to this.
constexpr std::size_t kOpenBatchBytesMax = 16 * 1024 * 1024;
// How often the engine looks at the clock again when only dates are due: the clock may be set.
constexpr Duration kClockCheckInterval = std::chrono::seconds{1};

}  // namespace

class EngineLoop::Turns {
 public:
  using Commands = std::vector<std::unique_ptr<Command>>;

  Turns(Engine& engine, Store& store, const Clock& clock, EffectsListener& listener)
      : engine_(engine),
        store_(store),
        clock_(clock),
        listener_(listener),
        pipeline_(engine, store) {}

  void start() {
    commit_thread_ = std::thread([this] { run_commits(); });
  }

  void stop() {
    {
      const std::lock_guard lock(inbox_mutex_);
      stopping_ = true;
    }
    work_.notify_one();
    if (commit_thread_.joinable()) commit_thread_.join();
  }

  void submit(Commands& commands) {
    {
      const std::lock_guard lock(inbox_mutex_);
      inbox_.insert(inbox_.end(), std::make_move_iterator(commands.begin()),
                    std::make_move_iterator(commands.end()));
    }
    commands.clear();
    run_inbox();
  }

  BatchNumber begin_lookup() {
    const std::lock_guard lock(lookup_mutex_);
    lookups_.insert(durable_);
    return durable_;
  }

  void end_lookup(BatchNumber as_of) {
    const std::lock_guard lock(lookup_mutex_);
    const auto found = lookups_.find(as_of);
    CHECK(found != lookups_.end());
    lookups_.erase(found);
  }

  Stats stats() const {
    const std::lock_guard lock(lookup_mutex_);
    return stats_;
  }

 private:
  // Whoever cannot have the engine leaves its commands to the one who has it, and who looks into
  // the inbox again after letting go of it.
  void run_inbox() {
    bool more = true;
    while (more) {
      std::unique_lock engine(engine_mutex_, std::try_to_lock);
      if (!engine || pipeline_.open_bytes() >= kOpenBatchBytesMax) return;
      take_turn();
      engine.unlock();

      bool wakes = false;
      {
        const std::lock_guard lock(inbox_mutex_);
        work_done_ = true;
        wakes = std::exchange(commit_waits_, false);
        more = !inbox_.empty();
      }
      if (wakes) work_.notify_one();
    }
  }

  // Requires: engine_mutex_ is held. Does what is due and runs the commands that wait; how long
  // until there is something due again.
  std::optional<Duration> take_turn() {
    if (next_ == commands_.size()) {
      commands_.clear();
      next_ = 0;
      const std::lock_guard lock(inbox_mutex_);
      commands_.swap(inbox_);
    }
    const Now now = clock_.now();
    const bool more_due = pipeline_.advance(now);
    while (next_ < commands_.size() && pipeline_.open_bytes() < kOpenBatchBytesMax) {
      pipeline_.run(std::move(commands_[next_++]), now);
    }
    forget_recent();
    return more_due ? Duration::zero() : engine_.until_next(now);
  }

  // Requires: engine_mutex_ is held.
  void forget_recent() {
    const std::lock_guard lock(lookup_mutex_);
    const BatchNumber oldest = lookups_.empty() ? durable_ : *lookups_.begin();
    engine_.forget_recent(oldest);
  }

  void run_commits() {
    for (;;) {
      // Read before the turn: then the turn meets everything that was submitted before stop().
      const bool stops = is_stopping();
      std::unique_lock engine(engine_mutex_);
      const std::optional<Duration> until_next = take_turn();
      if (pipeline_.has_work()) {
        CommitPipeline::Batch batch = pipeline_.take();
        engine.unlock();
        commit(batch);
        CommitPipeline::release(std::move(batch), listener_);
        continue;
      }
      engine.unlock();
      if (stops) return;
      wait_for_work(until_next);
    }
  }

  bool is_stopping() {
    const std::lock_guard lock(inbox_mutex_);
    return stopping_;
  }

  void wait_for_work(std::optional<Duration> until_next) {
    std::unique_lock lock(inbox_mutex_);
    const auto ready = [this] { return work_done_ || !inbox_.empty() || stopping_; };
    commit_waits_ = true;
    if (until_next) {
      work_.wait_for(lock, std::min(*until_next, kClockCheckInterval), ready);
    } else {
      work_.wait(lock, ready);
    }
    commit_waits_ = false;
    work_done_ = false;
  }

  void commit(const CommitPipeline::Batch& batch) {
    const SteadyPoint began = clock_.now().steady;
    if (Status status = CommitPipeline::commit(store_, batch); !status) {
      // Whether it reached the disk is not known, and trying again would not tell (SURVIVAL 21).
      log_error("the store failed: ending", {{"error", status.error().message}});
      std::_Exit(EXIT_FAILURE);
    }
    const double seconds = to_seconds(clock_.now().steady - began);
    const std::lock_guard lock(lookup_mutex_);
    durable_ = batch.number;
    stats_.commands += batch.commands.size();
    if (batch.records->empty()) return;
    ++stats_.commits;
    stats_.synced_commits += batch.records->needs_sync() ? 1 : 0;
    stats_.bytes += batch.records->size_bytes();
    stats_.commit_seconds += seconds;
  }

  Engine& engine_;
  Store& store_;
  const Clock& clock_;
  EffectsListener& listener_;

  std::mutex inbox_mutex_;  // taken for moments only; may be taken under engine_mutex_
  std::condition_variable work_;
  Commands inbox_;
  bool work_done_ = false;     // by another thread, for the commit thread to take
  bool commit_waits_ = false;  // the commit thread, for work_
  bool stopping_ = false;

  std::mutex engine_mutex_;  // guards the engine, the pipeline and what was taken from the inbox
  CommitPipeline pipeline_;
  Commands commands_;
  std::size_t next_ = 0;  // of commands_: those before it were run

  mutable std::mutex lookup_mutex_;
  std::multiset<BatchNumber> lookups_;
  BatchNumber durable_ = 0;
  Stats stats_;

  std::thread commit_thread_;
};

EngineLoop::EngineLoop(Engine& engine, Store& store, const Clock& clock, EffectsListener& listener)
    : turns_(std::make_unique<Turns>(engine, store, clock, listener)) {}
EngineLoop::~EngineLoop() {
  stop();
}
void EngineLoop::start() {
  turns_->start();
}
void EngineLoop::stop() {
  turns_->stop();
}
void EngineLoop::submit(std::unique_ptr<Command> command) {
  Turns::Commands commands;
  commands.push_back(std::move(command));
  turns_->submit(commands);
}
void EngineLoop::submit(std::vector<std::unique_ptr<Command>>& commands) {
  turns_->submit(commands);
}
BatchNumber EngineLoop::begin_lookup() {
  return turns_->begin_lookup();
}
void EngineLoop::end_lookup(BatchNumber as_of) {
  turns_->end_lookup(as_of);
}
EngineLoop::Stats EngineLoop::stats() const {
  return turns_->stats();
}

}  // namespace sluice::broker
