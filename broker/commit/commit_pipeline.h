// The rule between the engine and the store: nothing undurable is seen.
#pragma once

#include <memory>
#include <vector>

#include "broker/engine/engine.h"
#include "broker/storage/store.h"

namespace sluice::broker {

// One step of the engine and what to do with its reply.
class Command {
 public:
  virtual ~Command() = default;
  virtual void run(Engine& engine, Now now, RecordSink& sink) = 0;
  // When every batch that run() wrote to or could have observed is durable. `self` owns this. Must
  // not block.
  virtual void done(std::unique_ptr<Command> self) = 0;
};

// Receives, in order, what steps did besides their replies, when durable.
class EffectsListener {
 public:
  virtual ~EffectsListener() = default;
  virtual void on_effects(Effects&& effects) = 0;
  // After the replies and the effects of a batch.
  virtual void on_batch_released() {}
};

// Gathers the records of many commands into one batch, and keeps their replies until that batch is
// committed. Batches are numbered from 1, and committed in that order, one at a time.
//
// Threads: not synchronized; EngineLoop adds them, tests/sim drives it by hand.
class CommitPipeline {
 public:
  // Everything between two commits.
  struct Batch {
    BatchNumber number = 0;
    std::unique_ptr<RecordBatch> records;
    std::vector<std::unique_ptr<Command>> commands;
    std::vector<Effects> effects;
  };

  CommitPipeline(Engine& engine, Store& store);

  void run(std::unique_ptr<Command> command, Now now);
  // Lets time pass; whether more is due already.
  bool advance(Now now);

  // Whether the open batch has anything to write or to answer.
  bool has_work() const;
  BatchNumber open_batch() const { return open_.number; }
  std::size_t open_bytes() const { return open_.records->size_bytes(); }
  // Of the steps since take(), for whoever looks on; told to nobody yet.
  const std::vector<Effects>& open_effects() const { return open_.effects; }
  Batch take();

  // Writes the batch, synced unless it only holds claims; a batch without records costs nothing.
  // After an error nothing more may be committed.
  static Status commit(Store& store, const Batch& batch);
  // Only after commit(): lets the replies go, then the effects.
  static void release(Batch&& batch, EffectsListener& listener);

 private:
  Batch fresh();
  void keep_effects(Now now);

  Engine& engine_;
  Store& store_;
  BatchNumber last_number_ = 0;
  Batch open_;
};

}  // namespace sluice::broker
