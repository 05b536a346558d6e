// The durable home of the engine's records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/engine/records.h"
#include "common/base/result.h"

namespace sluice::broker {

// The records of one batch, as key-value writes: made by the engine's thread, read by the
// commit thread.
class RecordBatch;

// A finished or dead job as it is read back; `extras` is never null.
struct StoredJob {
  api::JobState state = api::JobState::kReady;  // of the record; a claimed job shows Ready here
  JobRecord job;  // for finished jobs too, as far as it goes; job.extras is extras.get()
  std::unique_ptr<JobExtras> extras;
  std::string result_json;  // finished jobs
  std::optional<TimePoint> finished_at;
};

struct Body {
  std::string payload;
  std::string traceparent;
};

struct StoredKey {
  Hash128 content{};
  JobId id;
  std::optional<TimePoint> expires_at;  // absent: the job had not ended
};

// Which part of a queue a list call reads.
enum class ListScope { kLive, kDead, kFinished };

struct ListPage {
  std::vector<StoredJob> jobs;        // in order of id
  std::optional<JobId> resume_after;  // absent: the end was reached
};

class KeyValueEngine;  // key_value_engine.h; made by open_rocksdb() or make_memory_engine()

// Turns records into key-value writes and back.
//
// Threads: commit() from one thread at a time; the reads below from any thread, each on a snapshot
// of what was committed; begin_batch() and a batch's use from one thread at a time.
class Store {
 public:
  // Writes the next boot number and syncs it before it returns. kCorruption when the data is
  // damaged or was written by a newer version.
  static Result<std::unique_ptr<Store>> open(std::unique_ptr<KeyValueEngine> engine);
  ~Store();

  std::uint32_t boot() const;

  // Once, before the first commit. Also removes what dropped queues left behind (their claims). An
  // error of the visitor's ends the walk and is returned.
  Status load(RecordVisitor& visitor);

  std::unique_ptr<RecordBatch> begin_batch();

  // Writes the batch; on disk when this returns if `sync`, otherwise with the operating system (a
  // killed process loses nothing, a power cut may). After an error nothing more may be committed:
  // the caller ends the process.
  Status commit(const RecordBatch& batch, bool sync);

  // One entry per id, absent where there is no body (any more).
  Result<std::vector<std::optional<Body>>> bodies(QueueNumber queue, std::span<const JobId> ids);
  // Also one whose expires_at has passed, while compaction has not found it: the caller compares.
  Result<std::optional<StoredKey>> key(QueueNumber queue, const Hash128& key);
  // A live, dead or finished job that is not expired at `now`; outcomes count as finished.
  Result<std::optional<StoredJob>> find(QueueNumber queue, JobId id, TimePoint now);
  // At most `limit` jobs for which `wanted` holds, in order of id, reading at most `row_budget`
  // records (both at least 1).
  Result<ListPage> list(QueueNumber queue, ListScope scope, std::optional<JobId> after,
                        std::size_t limit, std::size_t row_budget, TimePoint now,
                        const std::function<bool(const StoredJob&)>& wanted);

  // Bytes free on the file system the data is on; the largest number for a store without one.
  std::uint64_t free_bytes() const;

  // As KeyValueEngine's.
  Status checkpoint(const std::string& path);
  std::uint64_t checkpoint_bytes_max(const std::string& folder) const;

 private:
  Store(std::unique_ptr<KeyValueEngine> engine, std::uint32_t boot);
  std::unique_ptr<KeyValueEngine> engine_;
  std::uint32_t boot_;
};

// Raises the boot number of data that is not served by `by`, and syncs it; the new one. Errors are
// those of Store::open().
Result<std::uint32_t> skip_boots(KeyValueEngine& engine, std::uint32_t by);

// The RecordSink a batch is filled through.
class RecordBatch {
 public:
  virtual ~RecordBatch() = default;
  virtual RecordSink& sink() = 0;
  virtual bool empty() const = 0;
  virtual std::size_t size_bytes() const = 0;
  // Whether it holds anything but put_claim and drop_claim: those alone need no sync of their own.
  virtual bool needs_sync() const = 0;
};

}  // namespace sluice::broker
