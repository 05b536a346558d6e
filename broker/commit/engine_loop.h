// Who runs the engine when, one thread that commits, and the rule between them: nothing undurable
// is seen.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "broker/commit/commit_pipeline.h"
#include "broker/engine/engine.h"
#include "broker/storage/store.h"
#include "common/base/clock.h"

namespace sluice::broker {

// The engine has no thread of its own: who submits commands runs those that wait, its own among
// them, unless another thread is at it already. That saves a lone request a change of threads.
//
// Group commit: the commit thread takes everything that waits into one write and one sync; a lone
// request syncs at once. A batch of claims alone is written without forcing a sync. A failed write
// ends the process with a message (SURVIVAL 21).
class EngineLoop {
 public:
  // All of these outlive the loop. start() begins the thread; after stop() every command submitted
  // before has been answered.
  EngineLoop(Engine& engine, Store& store, const Clock& clock, EffectsListener& listener);
  ~EngineLoop();
  void start();
  void stop();

  // Any thread; waits for no other. Each command's done() is called on the commit thread.
  void submit(std::unique_ptr<Command> command);
  // All of them, in order; `commands` is empty afterwards.
  void submit(std::vector<std::unique_ptr<Command>>& commands);

  // run: R(Engine&, Now, RecordSink&), one at a time over all threads; done: void(R) on the commit
  // thread.
  template <typename Run, typename Done>
  void submit(Run run, Done done);

  // Every batch up to this one is durable and visible to the store's reads. A lookup
  // (Lookup::as_of) is made as: begin_lookup(), the reads, a command with the Lookup, end_lookup()
  // once that command has run.
  BatchNumber begin_lookup();
  void end_lookup(BatchNumber as_of);

  // Totals since start().
  struct Stats {
    std::uint64_t commands = 0;
    std::uint64_t commits = 0;         // writes
    std::uint64_t synced_commits = 0;  // of those, forced to disk
    std::uint64_t bytes = 0;
    double commit_seconds = 0;
  };
  Stats stats() const;

 private:
  class Turns;
  std::unique_ptr<Turns> turns_;
};

template <typename Run, typename Done>
void EngineLoop::submit(Run run, Done done) {
  using Reply = std::invoke_result_t<Run, Engine&, Now, RecordSink&>;
  class Step final : public Command {
   public:
    Step(Run r, Done d) : run_(std::move(r)), done_(std::move(d)) {}
    void run(Engine& engine, Now now, RecordSink& sink) override {
      if constexpr (std::is_void_v<Reply>) {
        run_(engine, now, sink);
      } else {
        reply_.emplace(run_(engine, now, sink));
      }
    }
    void done(std::unique_ptr<Command>) override {
      if constexpr (std::is_void_v<Reply>) {
        done_();
      } else {
        done_(std::move(*reply_));
      }
    }

   private:
    struct Nothing {};
    Run run_;
    Done done_;
    [[no_unique_address]] std::conditional_t<std::is_void_v<Reply>, Nothing, std::optional<Reply>>
        reply_;
  };
  submit(std::make_unique<Step>(std::move(run), std::move(done)));
}

}  // namespace sluice::broker
