// Queues, workers and jobs as people see them, and what they ask of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/engine/records.h"
#include "broker/engine/types.h"

namespace sluice::broker {

struct ConfigureRequest {
  QueueName queue;
  api::QueueSpec spec;
  std::optional<std::string> uid;
  std::optional<std::int64_t> generation;
};

enum class JobsPolicy { kRetain, kPurge };

struct DeleteQueueRequest {
  QueueName queue;
  std::optional<std::string> uid;
  std::optional<JobsPolicy> jobs;
};

enum class GoneCause { kDisruption, kCrash, kUnknown };

// A job for showing. Finished jobs come from the store; these are the living and the dead.
struct JobView {
  JobRecord record;  // extras is null: the copy below owns them
  JobExtras extras;
  api::JobState state = api::JobState::kReady;
  std::string worker;
  std::optional<TimePoint> started_at;
  std::optional<api::Progress> progress;
};

struct QueueView {
  QueueName name;
  QueueNumber number{};
  api::QueueSpec spec;
  std::string uid;
  std::int64_t generation = 0;
  bool retained = false;
  api::Pause paused;  // effective: the spec's or the override's
  api::Pause pause_override;
  api::QueueFigures figures;
  QueueTotals totals;
  std::vector<api::WorkerFigures> workers;
};

struct DeadFilter {
  std::optional<std::vector<JobId>> ids;
  std::string reason;
  std::string tenant;
  std::string key;
  std::optional<TimePoint> died_before;
  std::optional<TimePoint> died_after;
  std::size_t max = 5'000;
};

struct OutcomeEntry {
  QueueNumber queue{};
  QueueName queue_name;
  JobId id;
  JobSource source;
  api::JobState state = api::JobState::kReady;
  std::optional<JobView> live;  // absent once Succeeded or Cancelled: read it from the store
};

struct OutcomePage {
  std::vector<OutcomeEntry> entries;
  std::string cursor;  // where the next call goes on
};

struct ScheduleView {
  std::optional<TimePoint> last_tick;
  std::vector<JobId> running;  // jobs of the schedule that have not ended
};

}  // namespace sluice::broker
