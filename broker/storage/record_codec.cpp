#include "broker/storage/record_codec.h"

#include <algorithm>
#include <utility>

#include "broker/storage/bytes.h"
#include "broker/storage/enum_codes.h"
#include "broker/storage/extras_codec.h"
#include "common/api/decode.h"

namespace sluice::broker {
namespace {

enum JobFlag : std::uint8_t {
  kBackingOff = 1u << 0,
  kCancelRequested = 1u << 1,
  kAcknowledged = 1u << 2,
  kHasFinishedAt = 1u << 3,
  kHasExtras = 1u << 4,
};
constexpr std::uint8_t kJobFlagsKnown = 0x1F;
constexpr std::uint8_t kFinishedFlagsKnown = kCancelRequested | kHasExtras;

enum QueueFlag : std::uint8_t {
  kRetained = 1u << 0,
  kPausedEnqueue = 1u << 1,
  kPausedDispatch = 1u << 2,
};
constexpr std::uint8_t kQueueFlagsKnown = 0x07;

constexpr std::uint8_t kKeyHasExpiry = 1u << 0;

constexpr std::size_t kClaimEntryBytesMin = 18;

void read_version(ByteReader& in) {
  if (in.u8("version") != kRecordVersion) in.fail("version", "is not known");
}

std::uint8_t read_flags(ByteReader& in, std::uint8_t known) {
  const std::uint8_t flags = in.u8("flags");
  if (flags & ~known) in.fail("flags", "is not known");
  return flags;
}

bool read_bool_flag(std::uint8_t flags, std::uint8_t flag) {
  return (flags & flag) != 0;
}

std::uint64_t bits(TimePoint time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

TimePoint time_of(std::uint64_t microseconds) {
  return TimePoint{Duration{static_cast<std::int64_t>(microseconds)}};
}

QueueNumber read_queue_number(ByteReader& in) {
  return QueueNumber{in.fixed32("queue number")};
}

std::string prefixed_queue(std::string_view prefix, QueueNumber queue) {
  std::string key(prefix);
  ByteWriter(key).fixed32(static_cast<std::uint32_t>(queue));
  return key;
}

template <typename T>
Result<T> finished(ByteReader& in, const char* record, T value) {
  Status status = in.finish(record);
  if (!status) return std::move(status).error();
  return value;
}

}  // namespace

// --- keys --------------------------------------------------------------------------------------

std::string queue_prefix(QueueNumber queue) {
  return prefixed_queue({}, queue);
}

void encode_job_key(QueueNumber queue, JobId id, std::string& key) {
  ByteWriter out(key);
  out.fixed32(static_cast<std::uint32_t>(queue));
  write_uuid(id, out);
}

std::string job_key(QueueNumber queue, JobId id) {
  std::string key;
  key.reserve(kJobKeyBytes);
  encode_job_key(queue, id, key);
  return key;
}

std::string idempotency_record_key(QueueNumber queue, const Hash128& key) {
  std::string out = queue_prefix(queue);
  ByteWriter(out).raw(key);
  return out;
}

std::string claim_key(ClaimNumber number) {
  std::string key;
  ByteWriter(key).fixed64(static_cast<std::uint64_t>(number));
  return key;
}

std::string queue_key(QueueNumber queue) {
  return prefixed_queue(kQueueKeyPrefix, queue);
}

std::string schedule_prefix(QueueNumber queue) {
  return prefixed_queue(kScheduleKeyPrefix, queue);
}

std::string schedule_key(QueueNumber queue, std::string_view uid) {
  return schedule_prefix(queue).append(uid);
}

Result<JobKey> decode_job_key(std::string_view key) {
  ByteReader in(key);
  const QueueNumber queue = read_queue_number(in);
  const Uuid id = read_uuid(in, "job id");
  return finished(in, "job key", JobKey{queue, id});
}

Result<ClaimNumber> decode_claim_key(std::string_view key) {
  ByteReader in(key);
  const ClaimNumber number{in.fixed64("claim number")};
  return finished(in, "claim key", number);
}

Result<ScheduleKey> decode_schedule_key(std::string_view key) {
  ByteReader in(key);
  if (in.raw(1, "prefix") != kScheduleKeyPrefix) in.fail("prefix", "is not known");
  const QueueNumber queue = read_queue_number(in);
  std::string uid(in.rest());
  return finished(in, "schedule key", ScheduleKey{queue, std::move(uid)});
}

Result<QueueNumber> decode_queue_key(std::string_view key) {
  ByteReader in(key);
  if (in.raw(1, "prefix") != kQueueKeyPrefix) in.fail("prefix", "is not known");
  const QueueNumber queue = read_queue_number(in);
  return finished(in, "queue key", queue);
}

// --- jobs --------------------------------------------------------------------------------------

void encode_job(const JobRecord& r, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  out.u8(static_cast<std::uint8_t>(
      (r.backing_off ? kBackingOff : 0) | (r.cancel_requested ? kCancelRequested : 0) |
      (r.acknowledged ? kAcknowledged : 0) | (r.finished_at ? kHasFinishedAt : 0) |
      (r.extras != nullptr ? kHasExtras : 0)));
  write_code(kJobStateCodes, r.state, out);
  out.svarint(r.priority);
  out.varint(r.attempts);
  out.varint(r.lease_losses);
  out.varint(r.releases);
  out.varint(r.ignored);
  out.varint(r.runs);
  out.varint(r.payload_bytes);
  write_time(r.created_at, out);
  write_time_after(r.created_at, r.due_at, out);
  // The place in the order is a time less the priority's share, so it is near the due date.
  write_time_after(r.due_at, TimePoint{Duration{r.order_key}}, out);
  if (r.finished_at) write_time_after(r.due_at, *r.finished_at, out);
  if (r.extras != nullptr) write_extras(*r.extras, out);
}

Result<DecodedJob> decode_job(JobKey key, std::string_view value) {
  ByteReader in(value);
  DecodedJob job;
  JobRecord& r = job.record;
  r.queue = key.queue;
  r.id = key.id;
  read_version(in);
  const std::uint8_t flags = read_flags(in, kJobFlagsKnown);
  r.backing_off = read_bool_flag(flags, kBackingOff);
  r.cancel_requested = read_bool_flag(flags, kCancelRequested);
  r.acknowledged = read_bool_flag(flags, kAcknowledged);
  r.state = read_code(kJobStateCodes, in, "state");
  r.priority = in.svarint32("priority");
  r.attempts = in.varint32("attempts");
  r.lease_losses = in.varint32("lease losses");
  r.releases = in.varint32("releases");
  r.ignored = in.varint32("ignored runs");
  r.runs = in.varint32("runs");
  r.payload_bytes = in.varint32("payload size");
  r.created_at = read_time(in, "creation");
  r.due_at = read_time_after(r.created_at, in, "due date");
  r.order_key = read_time_after(r.due_at, in, "order key").time_since_epoch().count();
  if (flags & kHasFinishedAt) r.finished_at = read_time_after(r.due_at, in, "finish");
  if (flags & kHasExtras) job.extras = read_extras(in);
  r.extras = job.extras.get();
  return finished(in, "job", std::move(job));
}

// --- finished jobs -----------------------------------------------------------------------------

void encode_finished(const FinishedRecord& r, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  out.fixed64(bits(r.expires_at));  // here, where the compaction filter finds it
  out.u8(static_cast<std::uint8_t>((r.cancel_requested ? kCancelRequested : 0) |
                                   (r.extras != nullptr ? kHasExtras : 0)));
  write_code(kJobStateCodes, r.state, out);
  out.svarint(r.priority);
  out.varint(r.attempts);
  out.varint(r.lease_losses);
  out.varint(r.releases);
  write_time(r.created_at, out);
  write_time_after(r.created_at, r.due_at, out);
  write_time_after(r.due_at, r.finished_at, out);
  if (r.extras != nullptr) write_extras(*r.extras, out);
  out.raw(r.result_json);
}

Result<DecodedFinished> decode_finished(JobKey key, std::string_view value) {
  ByteReader in(value);
  DecodedFinished job;
  FinishedRecord& r = job.record;
  r.queue = key.queue;
  r.id = key.id;
  read_version(in);
  r.expires_at = time_of(in.fixed64("expiry"));
  const std::uint8_t flags = read_flags(in, kFinishedFlagsKnown);
  r.cancel_requested = read_bool_flag(flags, kCancelRequested);
  r.state = read_code(kJobStateCodes, in, "state");
  r.priority = in.svarint32("priority");
  r.attempts = in.varint32("attempts");
  r.lease_losses = in.varint32("lease losses");
  r.releases = in.varint32("releases");
  r.created_at = read_time(in, "creation");
  r.due_at = read_time_after(r.created_at, in, "due date");
  r.finished_at = read_time_after(r.due_at, in, "finish");
  if (flags & kHasExtras) job.extras = read_extras(in);
  r.extras = job.extras.get();
  r.result_json = in.rest();
  return finished(in, "finished", std::move(job));
}

std::optional<TimePoint> finished_expiry(std::string_view value) {
  ByteReader in(value);
  read_version(in);
  const TimePoint expires_at = time_of(in.fixed64("expiry"));
  if (in.failed()) return std::nullopt;
  return expires_at;
}

// --- claims ------------------------------------------------------------------------------------

void encode_claim(const ClaimRecord& r, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  out.fixed32(static_cast<std::uint32_t>(r.queue));
  out.text(r.worker);
  out.text(r.instance);
  write_time(r.claimed_at, out);
  out.varint(r.jobs.size());
  for (const ClaimRecord::Entry& entry : r.jobs) {
    write_uuid(entry.id, out);
    out.varint(entry.run);
    write_time_after(r.claimed_at, entry.deadline, out);
  }
}

Result<ClaimRecord> decode_claim(ClaimNumber number, std::string_view value) {
  ByteReader in(value);
  ClaimRecord r;
  r.number = number;
  read_version(in);
  r.queue = read_queue_number(in);
  r.worker = in.text("worker");
  r.instance = in.text("instance");
  r.claimed_at = read_time(in, "claim time");
  r.jobs.resize(in.count(kClaimEntryBytesMin, "jobs"));
  for (ClaimRecord::Entry& entry : r.jobs) {
    entry.id = read_uuid(in, "job id");
    entry.run = in.varint32("run");
    entry.deadline = read_time_after(r.claimed_at, in, "deadline");
  }
  return finished(in, "claim", std::move(r));
}

// --- idempotency keys --------------------------------------------------------------------------

void encode_key(const KeyRecord& r, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  out.u8(r.expires_at ? kKeyHasExpiry : 0);
  if (r.expires_at) out.fixed64(bits(*r.expires_at));
  out.raw(r.content);
  write_uuid(r.id, out);
}

Result<KeyRecord> decode_key(QueueNumber queue, const Hash128& key, std::string_view value) {
  ByteReader in(value);
  KeyRecord r;
  r.queue = queue;
  r.key = key;
  read_version(in);
  if (read_flags(in, kKeyHasExpiry) & kKeyHasExpiry) r.expires_at = time_of(in.fixed64("expiry"));
  r.content = read_hash(in, "content");
  r.id = read_uuid(in, "job id");
  return finished(in, "idempotency key", std::move(r));
}

std::optional<TimePoint> key_expiry(std::string_view value) {
  ByteReader in(value);
  read_version(in);
  const bool expires = read_flags(in, kKeyHasExpiry) != 0;
  const TimePoint expires_at = expires ? time_of(in.fixed64("expiry")) : TimePoint{};
  if (in.failed() || !expires) return std::nullopt;
  return expires_at;
}

// --- bodies ------------------------------------------------------------------------------------

void encode_body(std::string_view traceparent, std::string_view payload, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  out.text(traceparent);
  out.raw(payload);
}

Result<BodyView> decode_body(std::string_view value) {
  ByteReader in(value);
  read_version(in);
  const std::string_view traceparent = in.text("trace context");
  const std::string_view payload = in.rest();
  return finished(in, "body", BodyView{traceparent, payload});
}

// --- queues and schedules ----------------------------------------------------------------------

void encode_queue(const QueueRecord& r, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  out.u8(static_cast<std::uint8_t>((r.retained ? kRetained : 0) |
                                   (r.pause_override.enqueue ? kPausedEnqueue : 0) |
                                   (r.pause_override.dispatch ? kPausedDispatch : 0)));
  out.text(r.name.namespace_name);
  out.text(r.name.name);
  out.text(r.uid);
  out.svarint(r.generation);
  out.varint(r.released_uids.size());
  for (const std::string& uid : r.released_uids) out.text(uid);
  out.varint(r.drains.size());
  for (const QueueRecord::Drain& drain : r.drains) {
    out.text(drain.worker);
    out.text(drain.instance);
  }
  out.raw(api::encode(r.spec));
}

Result<QueueRecord> decode_queue(QueueNumber number, std::string_view value) {
  ByteReader in(value);
  QueueRecord r;
  r.number = number;
  read_version(in);
  const std::uint8_t flags = read_flags(in, kQueueFlagsKnown);
  r.retained = read_bool_flag(flags, kRetained);
  r.pause_override.enqueue = read_bool_flag(flags, kPausedEnqueue);
  r.pause_override.dispatch = read_bool_flag(flags, kPausedDispatch);
  r.name.namespace_name = in.text("namespace");
  r.name.name = in.text("name");
  r.uid = in.text("uid");
  r.generation = in.svarint("generation");
  r.released_uids.resize(in.count(1, "released uids"));
  for (std::string& uid : r.released_uids) uid = in.text("released uid");
  r.drains.resize(in.count(2, "drains"));
  for (QueueRecord::Drain& drain : r.drains) {
    drain.worker = in.text("drained worker");
    drain.instance = in.text("drained instance");
  }
  const std::string_view spec_json = in.rest();
  if (Status status = in.finish("queue"); !status) return std::move(status).error();
  Result<api::QueueSpec> spec = api::decode_queue_spec(spec_json, api::UnknownMembers::kRefuse);
  if (!spec) {
    return Error{ErrorCode::kCorruption, "queue record: " + spec.error().message};
  }
  r.spec = std::move(*spec);
  return r;
}

void encode_schedule(const ScheduleRecord& r, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  write_time(r.last_tick, out);
}

Result<ScheduleRecord> decode_schedule(ScheduleKey key, std::string_view value) {
  ByteReader in(value);
  read_version(in);
  const TimePoint last_tick = read_time(in, "last tick");
  return finished(in, "schedule", ScheduleRecord{key.queue, std::move(key.uid), last_tick});
}

// --- numbers -----------------------------------------------------------------------------------

void encode_number(std::uint64_t number, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  out.varint(number);
}

Result<std::uint64_t> decode_number(std::string_view value) {
  ByteReader in(value);
  read_version(in);
  const std::uint64_t number = in.varint("number");
  return finished(in, "number", number);
}

}  // namespace sluice::broker
