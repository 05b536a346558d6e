#include "broker/storage/store.h"

#include <array>
#include <span>
#include <unordered_set>
#include <utility>

#include "broker/storage/group_codec.h"
#include "broker/storage/job_walk.h"
#include "broker/storage/key_value_engine.h"
#include "broker/storage/record_batch.h"
#include "broker/storage/record_codec.h"
#include "broker/storage/redrive_codec.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

// What the families mean and how their keys are made. One that is higher than this was written by
// a newer Sluice, which may have moved things: it is refused.
constexpr std::uint64_t kSchemaVersion = 1;

Error corruption(std::string message) {
  return {ErrorCode::kCorruption, std::move(message)};
}

Result<std::optional<std::uint64_t>> read_number(const KeyValueReader& reader,
                                                 std::string_view key) {
  auto value = reader.get(Family::kMeta, key);
  if (!value) return std::move(value).error();
  if (!*value) return std::optional<std::uint64_t>{};
  auto number = decode_number(**value);
  if (!number) return std::move(number).error();
  return std::optional<std::uint64_t>(*number);
}

Result<bool> holds_records(const KeyValueReader& reader) {
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    const auto cursor = reader.scan(static_cast<Family>(i), {}, {}, ScanKind::kPage);
    if (cursor->valid()) return true;
    if (Status status = cursor->status(); !status) return std::move(status).error();
  }
  return false;
}

// Ok for data that this version can read, and for none at all.
Status check_schema(const KeyValueReader& reader) {
  auto schema = read_number(reader, kSchemaKey);
  if (!schema) return std::move(schema).error();
  if (!*schema) {
    auto any = holds_records(reader);
    if (!any) return std::move(any).error();
    if (*any) return corruption("the data has no schema version");
    return Ok{};
  }
  if (**schema > kSchemaVersion) {
    return corruption("the data was written by a newer Sluice (schema " + std::to_string(**schema) +
                      ", this one knows " + std::to_string(kSchemaVersion) + ")");
  }
  if (**schema == 0) return corruption("the data has schema version 0, which never was");
  return Ok{};
}

StoredJob to_stored(DecodedJob&& decoded) {
  StoredJob stored;
  stored.state = decoded.record.state;
  stored.job = decoded.record;
  stored.finished_at = decoded.record.finished_at;
  stored.extras = decoded.extras ? std::move(decoded.extras) : std::make_unique<JobExtras>();
  stored.job.extras = stored.extras.get();
  return stored;
}

StoredJob to_stored(DecodedFinished&& decoded) {
  const FinishedRecord& finished = decoded.record;
  StoredJob stored;
  stored.state = finished.state;
  stored.job.queue = finished.queue;
  stored.job.id = finished.id;
  stored.job.state = finished.state;
  stored.job.priority = finished.priority;
  stored.job.attempts = finished.attempts;
  stored.job.lease_losses = finished.lease_losses;
  stored.job.releases = finished.releases;
  stored.job.cancel_requested = finished.cancel_requested;
  stored.job.created_at = finished.created_at;
  stored.job.due_at = finished.due_at;
  stored.job.finished_at = finished.finished_at;
  stored.finished_at = finished.finished_at;
  stored.result_json = finished.result_json;
  stored.extras = decoded.extras ? std::move(decoded.extras) : std::make_unique<JobExtras>();
  stored.job.extras = stored.extras.get();
  return stored;
}

// A finished record that is still there at `now`. Outcomes do not expire.
Result<std::optional<StoredJob>> read_finished(Family family, JobKey key, std::string_view value,
                                               TimePoint now) {
  auto decoded = decode_finished(key, value);
  if (!decoded) return std::move(decoded).error();
  if (family == Family::kFinished && decoded->record.expires_at <= now) {
    return std::optional<StoredJob>{};
  }
  return std::optional<StoredJob>(to_stored(std::move(*decoded)));
}

Result<std::optional<StoredJob>> read_stored(Family family, JobKey key, std::string_view value,
                                             TimePoint now) {
  if (family == Family::kFinished || family == Family::kOutcomes) {
    return read_finished(family, key, value, now);
  }
  auto decoded = decode_job(key, value);
  if (!decoded) return std::move(decoded).error();
  return std::optional<StoredJob>(to_stored(std::move(*decoded)));
}

std::span<const Family> families_of(ListScope scope) {
  static constexpr std::array kLive = {Family::kJobs};
  static constexpr std::array kDead = {Family::kDead};
  static constexpr std::array kEnded = {Family::kFinished, Family::kOutcomes};
  switch (scope) {
    case ListScope::kLive:
      return kLive;
    case ListScope::kDead:
      return kDead;
    case ListScope::kFinished:
      return kEnded;
  }
  return {};
}

// Calls `visit` for every record under the prefix until it fails.
template <typename Visit>
Status for_each(const KeyValueReader& reader, Family family, std::string_view prefix, Visit visit) {
  const auto cursor = reader.scan(family, prefix, prefix, ScanKind::kEverything);
  for (; cursor->valid(); cursor->next()) {
    if (Status status = visit(cursor->key(), cursor->value()); !status) return status;
  }
  return cursor->status();
}

// Live or dead jobs, which have one form.
Status load_jobs(const KeyValueReader& reader, Family family, RecordVisitor& visitor) {
  return for_each(reader, family, {}, [&](std::string_view key, std::string_view value) -> Status {
    auto id = decode_job_key(key);
    if (!id) return std::move(id).error();
    auto job = decode_job(*id, value);
    if (!job) return std::move(job).error();
    return visitor.job(job->record, std::move(job->extras));
  });
}

Status load_outcomes(const KeyValueReader& reader, RecordVisitor& visitor) {
  const auto load = [&](std::string_view key, std::string_view value) -> Status {
    auto id = decode_job_key(key);
    if (!id) return std::move(id).error();
    auto job = decode_finished(*id, value);
    if (!job) return std::move(job).error();
    return visitor.outcome(job->record, std::move(job->extras));
  };
  return for_each(reader, Family::kOutcomes, {}, load);
}

Status load_schedules(const KeyValueReader& reader, RecordVisitor& visitor) {
  const auto load = [&](std::string_view key, std::string_view value) -> Status {
    auto id = decode_schedule_key(key);
    if (!id) return std::move(id).error();
    auto schedule = decode_schedule(std::move(*id), value);
    if (!schedule) return std::move(schedule).error();
    return visitor.schedule(std::move(*schedule));
  };
  return for_each(reader, Family::kMeta, kScheduleKeyPrefix, load);
}

Status load_redrives(const KeyValueReader& reader, RecordVisitor& visitor) {
  const auto load = [&](std::string_view key, std::string_view value) -> Status {
    const auto id = decode_redrive_key(key);
    if (!id) return id.error();
    auto redrive = decode_redrive(*id, value);
    if (!redrive) return std::move(redrive).error();
    return visitor.redrive(std::move(*redrive));
  };
  return for_each(reader, Family::kMeta, kRedriveKeyPrefix, load);
}

Status load_groups(const KeyValueReader& reader, RecordVisitor& visitor) {
  const auto load = [&](std::string_view key, std::string_view value) -> Status {
    const auto id = decode_group_key(key);
    if (!id) return id.error();
    auto group = decode_group(*id, value);
    if (!group) return std::move(group).error();
    return visitor.group(std::move(*group));
  };
  return for_each(reader, Family::kMeta, kGroupKeyPrefix, load);
}

using QueueNumbers = std::unordered_set<QueueNumber>;

Result<QueueNumbers> load_queues(const KeyValueReader& reader, RecordVisitor& visitor) {
  QueueNumbers numbers;
  const auto load = [&](std::string_view key, std::string_view value) -> Status {
    auto number = decode_queue_key(key);
    if (!number) return std::move(number).error();
    auto queue = decode_queue(*number, value);
    if (!queue) return std::move(queue).error();
    numbers.insert(*number);
    return visitor.queue(std::move(*queue));
  };
  if (Status status = for_each(reader, Family::kMeta, kQueueKeyPrefix, load); !status) {
    return std::move(status).error();
  }
  return numbers;
}

// Claims of queues that are no more go into `leftovers`.
Status load_claims(const KeyValueReader& reader, const QueueNumbers& queues, RecordVisitor& visitor,
                   KeyValueBatch& leftovers) {
  const auto load = [&](std::string_view key, std::string_view value) -> Status {
    auto number = decode_claim_key(key);
    if (!number) return std::move(number).error();
    auto claim = decode_claim(*number, value);
    if (!claim) return std::move(claim).error();
    if (!queues.contains(claim->queue)) {
      leftovers.remove(Family::kClaims, key);
      return Ok{};
    }
    return visitor.claim(std::move(*claim));
  };
  return for_each(reader, Family::kClaims, {}, load);
}

}  // namespace

Store::Store(std::unique_ptr<KeyValueEngine> engine, std::uint32_t boot)
    : engine_(std::move(engine)), boot_(boot) {}

Store::~Store() = default;

Result<std::uint32_t> skip_boots(KeyValueEngine& engine, std::uint32_t by) {
  if (Status status = check_schema(engine); !status) return std::move(status).error();
  auto last_boot = read_number(engine, kBootKey);
  if (!last_boot) return std::move(last_boot).error();
  const std::uint64_t boot = last_boot->value_or(0) + by;
  if (boot > IdSource::kBootMax) return corruption("the boot numbers are used up");

  const auto batch = engine.new_batch();
  std::string schema_value;
  encode_number(kSchemaVersion, schema_value);
  batch->put(Family::kMeta, kSchemaKey, schema_value);
  std::string boot_value;
  encode_number(boot, boot_value);
  batch->put(Family::kMeta, kBootKey, boot_value);
  if (Status status = engine.write(*batch, /*sync=*/true); !status) {
    return std::move(status).error();
  }
  return static_cast<std::uint32_t>(boot);
}

Result<std::unique_ptr<Store>> Store::open(std::unique_ptr<KeyValueEngine> engine) {
  const auto boot = skip_boots(*engine, 1);
  if (!boot) return boot.error();
  return std::unique_ptr<Store>(new Store(std::move(engine), *boot));
}

std::uint32_t Store::boot() const {
  return boot_;
}

Status Store::load(RecordVisitor& visitor) {
  auto queues = load_queues(*engine_, visitor);
  if (!queues) return std::move(queues).error();
  if (Status status = load_schedules(*engine_, visitor); !status) return status;
  if (Status status = load_redrives(*engine_, visitor); !status) return status;
  if (Status status = load_groups(*engine_, visitor); !status) return status;
  if (Status status = load_jobs(*engine_, Family::kJobs, visitor); !status) return status;
  if (Status status = load_jobs(*engine_, Family::kDead, visitor); !status) return status;
  if (Status status = load_outcomes(*engine_, visitor); !status) return status;

  const auto leftovers = engine_->new_batch();
  if (Status status = load_claims(*engine_, *queues, visitor, *leftovers); !status) return status;
  if (leftovers->empty()) return Ok{};
  return engine_->write(*leftovers, /*sync=*/false);
}

std::unique_ptr<RecordBatch> Store::begin_batch() {
  return std::make_unique<KeyValueRecordBatch>(engine_->new_batch());
}

Status Store::commit(const RecordBatch& batch, bool sync) {
  const auto* ours = dynamic_cast<const KeyValueRecordBatch*>(&batch);
  CHECK(ours != nullptr);
  return engine_->write(ours->writes(), sync);
}

Result<std::vector<std::optional<Body>>> Store::bodies(QueueNumber queue,
                                                       std::span<const JobId> ids) {
  std::vector<std::string> keys;
  keys.reserve(ids.size());
  for (const JobId& id : ids) keys.push_back(job_key(queue, id));
  auto values = engine_->multi_get(Family::kBodies, keys);
  if (!values) return std::move(values).error();

  std::vector<std::optional<Body>> bodies(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& value = (*values)[i];
    if (!value) continue;
    const auto body = decode_body(*value);
    if (!body) return body.error();
    bodies[i] = Body{std::string(body->payload), std::string(body->traceparent)};
  }
  return bodies;
}

Result<std::optional<StoredKey>> Store::key(QueueNumber queue, const Hash128& key) {
  auto value = engine_->get(Family::kKeys, idempotency_record_key(queue, key));
  if (!value) return std::move(value).error();
  if (!*value) return std::optional<StoredKey>{};
  const auto record = decode_key(queue, key, **value);
  if (!record) return record.error();
  return std::optional<StoredKey>({record->content, record->id, record->expires_at});
}

Result<std::optional<StoredJob>> Store::find(QueueNumber queue, JobId id, TimePoint now) {
  const auto snapshot = engine_->snapshot();
  const std::string key = job_key(queue, id);
  for (const Family family : {Family::kJobs, Family::kDead, Family::kFinished, Family::kOutcomes}) {
    auto value = snapshot->get(family, key);
    if (!value) return std::move(value).error();
    if (!*value) continue;
    auto stored = read_stored(family, {queue, id}, **value, now);
    if (!stored || *stored) return stored;
  }
  return std::optional<StoredJob>{};
}

Result<ListPage> Store::list(QueueNumber queue, ListScope scope, std::optional<JobId> after,
                             std::size_t limit, std::size_t row_budget, TimePoint now,
                             const std::function<bool(const StoredJob&)>& wanted) {
  const auto snapshot = engine_->snapshot();
  JobWalk walk(*snapshot, families_of(scope), queue, after);

  ListPage page;
  std::optional<JobId> seen;      // the last id read
  std::optional<JobId> answered;  // the last id decided on: its other records are passed over
  for (std::size_t rows = 0; walk.valid(); walk.next(), ++rows) {
    const auto key = walk.key();
    if (!key) return key.error();
    // A page ends between ids, so that going on behind one misses no record of it.
    if (seen != key->id && (rows >= row_budget || page.jobs.size() >= limit)) {
      page.resume_after = seen;
      return page;
    }
    seen = key->id;
    if (answered == key->id) continue;
    auto stored = read_stored(walk.family(), *key, walk.value(), now);
    if (!stored) return std::move(stored).error();
    if (!*stored) continue;
    answered = key->id;
    if (wanted(**stored)) page.jobs.push_back(std::move(**stored));
  }
  if (Status status = walk.status(); !status) return std::move(status).error();
  return page;
}

std::uint64_t Store::free_bytes() const {
  return engine_->free_bytes();
}

Status Store::checkpoint(const std::string& path) {
  return engine_->checkpoint(path);
}

std::uint64_t Store::checkpoint_bytes_max(const std::string& folder) const {
  return engine_->checkpoint_bytes_max(folder);
}

}  // namespace sluice::broker
