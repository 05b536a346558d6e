#include "broker/commit/commit_pipeline.h"

#include <utility>

namespace sluice::broker {

CommitPipeline::CommitPipeline(Engine& engine, Store& store)
    : engine_(engine), store_(store), open_(fresh()) {}

CommitPipeline::Batch CommitPipeline::fresh() {
  Batch batch;
  batch.number = ++last_number_;
  batch.records = store_.begin_batch();
  engine_.set_open_batch(batch.number);
  return batch;
}

void CommitPipeline::run(std::unique_ptr<Command> command, Now now) {
  command->run(engine_, now, open_.records->sink());
  open_.commands.push_back(std::move(command));
  keep_effects(now);
}

bool CommitPipeline::advance(Now now) {
  const bool more = engine_.advance(now, open_.records->sink());
  keep_effects(now);
  return more;
}

void CommitPipeline::keep_effects(Now now) {
  Effects effects = engine_.take_effects(now, open_.records->sink());
  if (!effects.empty()) open_.effects.push_back(std::move(effects));
}

bool CommitPipeline::has_work() const {
  return !open_.commands.empty() || !open_.effects.empty() || !open_.records->empty();
}

CommitPipeline::Batch CommitPipeline::take() {
  return std::exchange(open_, fresh());
}

Status CommitPipeline::commit(Store& store, const Batch& batch) {
  if (batch.records->empty()) return Ok{};
  return store.commit(*batch.records, batch.records->needs_sync());
}

void CommitPipeline::release(Batch&& batch, EffectsListener& listener) {
  for (auto& command : batch.commands) {
    Command& last = *command;
    last.done(std::move(command));
  }
  for (Effects& effects : batch.effects) listener.on_effects(std::move(effects));
  listener.on_batch_released();
}

}  // namespace sluice::broker
