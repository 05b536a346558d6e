#include "broker/storage/record_codec.h"

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/broker/storage/sample_records.h"

namespace sluice::broker {
namespace {

template <typename Encode, typename Record>
std::string bytes_of(Encode encode, const Record& record) {
  std::string bytes;
  encode(record, bytes);
  return bytes;
}

// Every decoder, on bytes of any kind.
void decode_everything(const std::string& bytes) {
  const Hash128 hash{};
  (void)decode_job({}, bytes);
  (void)decode_finished({}, bytes);
  (void)decode_claim({}, bytes);
  (void)decode_key({}, hash, bytes);
  (void)decode_body(bytes);
  (void)decode_queue({}, bytes);
  (void)decode_schedule({}, bytes);
  (void)decode_number(bytes);
  (void)finished_expiry(bytes);
  (void)key_expiry(bytes);
  (void)decode_job_key(bytes);
  (void)decode_claim_key(bytes);
  (void)decode_schedule_key(bytes);
  (void)decode_queue_key(bytes);
}

RC_GTEST_PROP(RecordCodec, JobsRoundTrip, ()) {
  const auto extras = maybe(any_extras);
  const JobRecord job = any_job(extras ? &*extras : nullptr);

  const auto decoded = decode_job({job.queue, job.id}, bytes_of(encode_job, job));

  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(same(decoded->record, job));
}

RC_GTEST_PROP(RecordCodec, FinishedJobsRoundTrip, ()) {
  const auto extras = maybe(any_extras);
  const std::string result = any_text();
  const FinishedRecord job = any_finished(extras ? &*extras : nullptr, result);

  const std::string bytes = bytes_of(encode_finished, job);
  const auto decoded = decode_finished({job.queue, job.id}, bytes);

  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(same(decoded->record, job));
  RC_ASSERT(finished_expiry(bytes) == job.expires_at);
}

RC_GTEST_PROP(RecordCodec, ClaimsRoundTrip, ()) {
  ClaimRecord claim{.number = ClaimNumber{any<std::uint64_t>()},
                    .queue = QueueNumber{any<std::uint32_t>()},
                    .worker = any_text(),
                    .instance = any_text(),
                    .claimed_at = any_time()};
  claim.jobs.resize(*rc::gen::inRange<std::size_t>(0, 5));
  for (auto& entry : claim.jobs) entry = {any_uuid(), any<std::uint32_t>(), any_time()};

  const auto decoded = decode_claim(claim.number, bytes_of(encode_claim, claim));

  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(same(*decoded, claim));
}

RC_GTEST_PROP(RecordCodec, KeysRoundTrip, ()) {
  const KeyRecord key{.queue = QueueNumber{any<std::uint32_t>()},
                      .key = any_hash(),
                      .content = any_hash(),
                      .id = any_uuid(),
                      .expires_at = maybe(any_time)};

  const std::string bytes = bytes_of(encode_key, key);
  const auto decoded = decode_key(key.queue, key.key, bytes);

  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(decoded->queue == key.queue && decoded->key == key.key);
  RC_ASSERT(decoded->content == key.content && decoded->id == key.id);
  RC_ASSERT(decoded->expires_at == key.expires_at);
  RC_ASSERT(key_expiry(bytes) == key.expires_at);
}

RC_GTEST_PROP(RecordCodec, BodiesRoundTrip,
              (const std::string& traceparent, const std::string& payload)) {
  std::string bytes;
  encode_body(traceparent, payload, bytes);

  const auto decoded = decode_body(bytes);

  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(decoded->traceparent == traceparent);
  RC_ASSERT(decoded->payload == payload);
}

RC_GTEST_PROP(RecordCodec, QueuesRoundTrip, ()) {
  QueueRecord queue{.number = QueueNumber{any<std::uint32_t>()},
                    .name = {any_text(), any_text()},
                    .uid = any_text(),
                    .generation = any<std::int64_t>(),
                    .retained = any<bool>(),
                    .released_uids = any<std::vector<std::string>>(),
                    .pause_override = {any<bool>(), any<bool>()}};
  queue.spec.timeout_seconds = *rc::gen::inRange(1, 1'000);
  queue.spec.pause.dispatch = any<bool>();
  queue.drains.resize(*rc::gen::inRange<std::size_t>(0, 4));
  for (auto& drain : queue.drains) drain = {any_text(), any_text()};

  const auto decoded = decode_queue(queue.number, bytes_of(encode_queue, queue));

  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(same(*decoded, queue));
}

RC_GTEST_PROP(RecordCodec, SchedulesAndNumbersRoundTrip, (std::uint64_t number)) {
  const ScheduleRecord schedule{
      .queue = QueueNumber{any<std::uint32_t>()}, .uid = any_text(), .last_tick = any_time()};
  std::string number_bytes;
  encode_number(number, number_bytes);

  auto key = decode_schedule_key(schedule_key(schedule.queue, schedule.uid));
  RC_ASSERT(static_cast<bool>(key));
  const auto decoded = decode_schedule(std::move(*key), bytes_of(encode_schedule, schedule));

  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(decoded->queue == schedule.queue && decoded->uid == schedule.uid);
  RC_ASSERT(decoded->last_tick == schedule.last_tick);
  RC_ASSERT(*decode_number(number_bytes) == number);
}

// SURVIVAL 20: a record is refused whole or means what its bytes say, never something in between.
RC_GTEST_PROP(RecordCodec, WhatIsAcceptedEncodesToTheSameBytes, ()) {
  const auto extras = maybe(any_extras);
  std::string bytes = bytes_of(encode_job, any_job(extras ? &*extras : nullptr));
  const auto bit = *rc::gen::inRange<std::size_t>(0, bytes.size() * 8);
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));

  const auto decoded = decode_job({}, bytes);

  if (decoded) {
    RC_ASSERT(bytes_of(encode_job, decoded->record) == bytes);
  } else {
    RC_ASSERT(decoded.error().code == ErrorCode::kCorruption);
  }
}

RC_GTEST_PROP(RecordCodec, AnyBytesAreSafe, (std::string bytes)) {
  decode_everything(bytes);
  bytes.insert(0, 1, static_cast<char>(kRecordVersion));
  decode_everything(bytes);
}

TEST(RecordCodec, EveryTruncationIsRefused) {
  JobExtras extras;
  extras.labels = {{"a", "b"}, {"c", "d"}};
  extras.retry.emplace().rules.push_back({.exit_codes = {1, 2}});
  extras.history.push_back({.worker = "w", .exit_code = 1});
  extras.error = api::RunError{.reason = "ExitCode", .exit_code = 1};
  const std::string bytes = bytes_of(encode_job, JobRecord{.extras = &extras});

  for (std::size_t size = 0; size < bytes.size(); ++size) {
    SCOPED_TRACE(size);
    const auto decoded = decode_job({}, std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorruption);
  }
}

TEST(RecordCodec, ErrorsNameTheRecordAndThePlace) {
  const std::string job = bytes_of(encode_job, JobRecord{});

  EXPECT_EQ(decode_job({}, "").error().message, "job record: version is cut short");
  EXPECT_EQ(decode_job({}, "\x7F").error().message, "job record: version is not known");
  EXPECT_EQ(decode_job({}, job + "x").error().message, "job record: end is followed by more bytes");
  EXPECT_EQ(decode_claim_key("short").error().message,
            "claim key record: claim number is cut short");
}

TEST(RecordCodec, HugeCountsAreRefusedBeforeMemoryIsTaken) {
  std::string bytes = bytes_of(encode_claim, ClaimRecord{});
  bytes.pop_back();
  bytes += "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";

  EXPECT_EQ(decode_claim({}, bytes).error().message, "claim record: jobs is cut short");
}

TEST(RecordCodec, KeysSortByQueueThenById) {
  const std::string keys[] = {
      job_key(QueueNumber{1}, {0, 2}),
      job_key(QueueNumber{1}, {1, 0}),
      job_key(QueueNumber{1}, {0x8000000000000000, 0}),
      job_key(QueueNumber{2}, {0, 0}),
      job_key(QueueNumber{256}, {0, 0}),
  };

  EXPECT_TRUE(std::is_sorted(std::begin(keys), std::end(keys)));
  EXPECT_EQ(decode_job_key(keys[2])->id, (Uuid{0x8000000000000000, 0}));
}

TEST(RecordCodec, PlainJobIsSmall) {
  const TimePoint now{std::chrono::seconds{1'800'000'000}};
  const JobRecord job{.payload_bytes = 200,
                      .created_at = now,
                      .due_at = now,
                      .order_key = now.time_since_epoch().count() - 300'000'000};

  EXPECT_LE(bytes_of(encode_job, job).size(), 32u);
}

}  // namespace
}  // namespace sluice::broker
