// Records as bytes and back. The format, byte by byte, is docs/storage-format.md; the numbers that
// stand for enumerators are in enum_codes.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/engine/records.h"
#include "common/base/result.h"

namespace sluice::broker {

// The first byte of every value. A reader refuses any other: a change of a record's layout is a new
// number here, a new column family or meaning is a new kSchemaVersion (store.cpp).
inline constexpr std::uint8_t kRecordVersion = 1;

// --- keys --------------------------------------------------------------------------------------

inline constexpr std::size_t kQueuePrefixBytes = 4;
inline constexpr std::size_t kJobKeyBytes = kQueuePrefixBytes + 16;

// Big-endian, so that byte order is the order of queues, then of ids.
std::string queue_prefix(QueueNumber queue);
std::string job_key(QueueNumber queue, JobId id);
void encode_job_key(QueueNumber queue, JobId id, std::string& key);  // appends it
std::string idempotency_record_key(QueueNumber queue, const Hash128& key);
std::string claim_key(ClaimNumber number);

// In the meta family, apart by their first byte.
inline constexpr std::string_view kSchemaKey = "v";
inline constexpr std::string_view kBootKey = "b";
inline constexpr std::string_view kQueueKeyPrefix = "q";
inline constexpr std::string_view kScheduleKeyPrefix = "s";
std::string queue_key(QueueNumber queue);
// Every schedule of the queue has this prefix.
std::string schedule_prefix(QueueNumber queue);
std::string schedule_key(QueueNumber queue, std::string_view uid);

struct JobKey {
  QueueNumber queue{};
  JobId id;
};
Result<JobKey> decode_job_key(std::string_view key);
Result<ClaimNumber> decode_claim_key(std::string_view key);
struct ScheduleKey {
  QueueNumber queue{};
  std::string uid;
};
Result<ScheduleKey> decode_schedule_key(std::string_view key);
Result<QueueNumber> decode_queue_key(std::string_view key);

// --- values ------------------------------------------------------------------------------------

// Encoders append to `out`. Decoders take any bytes and never trust them: kCorruption names the
// record and what was wrong with it. Whatever they accept encodes to the same bytes again.

void encode_job(const JobRecord& record, std::string& out);
struct DecodedJob {
  JobRecord record;                   // record.extras is extras.get()
  std::unique_ptr<JobExtras> extras;  // null when there are none
};
Result<DecodedJob> decode_job(JobKey key, std::string_view value);

void encode_finished(const FinishedRecord& record, std::string& out);
struct DecodedFinished {
  FinishedRecord record;  // result_json is a view into the value; extras is extras.get()
  std::unique_ptr<JobExtras> extras;
};
Result<DecodedFinished> decode_finished(JobKey key, std::string_view value);

void encode_claim(const ClaimRecord& record, std::string& out);
Result<ClaimRecord> decode_claim(ClaimNumber number, std::string_view value);

void encode_key(const KeyRecord& record, std::string& out);
Result<KeyRecord> decode_key(QueueNumber queue, const Hash128& key, std::string_view value);

void encode_body(std::string_view traceparent, std::string_view payload, std::string& out);
struct BodyView {  // views into the value
  std::string_view traceparent;
  std::string_view payload;
};
Result<BodyView> decode_body(std::string_view value);

void encode_queue(const QueueRecord& record, std::string& out);
Result<QueueRecord> decode_queue(QueueNumber number, std::string_view value);

void encode_schedule(const ScheduleRecord& record, std::string& out);
Result<ScheduleRecord> decode_schedule(ScheduleKey key, std::string_view value);

// The schema version and the boot number.
void encode_number(std::uint64_t number, std::string& out);
Result<std::uint64_t> decode_number(std::string_view value);

// --- expiry ------------------------------------------------------------------------------------

// When a finished or key record expires, without reading the rest; absent for one that does not,
// and for bytes that are neither (compaction keeps those: a read will name the damage).
std::optional<TimePoint> finished_expiry(std::string_view value);
std::optional<TimePoint> key_expiry(std::string_view value);

}  // namespace sluice::broker
