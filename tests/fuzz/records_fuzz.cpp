// Store records: what a decoder accepts encodes to the same bytes again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/storage/group_codec.h"
#include "broker/storage/record_codec.h"
#include "broker/storage/redrive_codec.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

void check_job(std::string_view value) {
  const auto job = decode_job({QueueNumber{1}, {1, 2}}, value);
  if (!job) return;
  std::string again;
  encode_job(job->record, again);
  CHECK(again == value);
}

void check_finished(std::string_view value) {
  (void)finished_expiry(value);
  const auto job = decode_finished({QueueNumber{1}, {1, 2}}, value);
  if (!job) return;
  std::string again;
  encode_finished(job->record, again);
  CHECK(again == value);
}

void check_claim(std::string_view value) {
  const auto claim = decode_claim(ClaimNumber{3}, value);
  if (!claim) return;
  std::string again;
  encode_claim(*claim, again);
  CHECK(again == value);
}

void check_key(std::string_view value) {
  (void)key_expiry(value);
  const auto key = decode_key(QueueNumber{1}, Hash128{4}, value);
  if (!key) return;
  std::string again;
  encode_key(*key, again);
  CHECK(again == value);
}

void check_body(std::string_view value) {
  const auto body = decode_body(value);
  if (!body) return;
  std::string again;
  encode_body(body->traceparent, body->payload, again);
  CHECK(again == value);
}

void check_queue(std::string_view value) {
  const auto queue = decode_queue(QueueNumber{1}, value);
  if (!queue) return;
  std::string again;
  encode_queue(*queue, again);
  // The spec is JSON of the file's making: members in another order would be written in ours.
  const auto once_more = decode_queue(QueueNumber{1}, again);
  CHECK(static_cast<bool>(once_more));
  std::string stable;
  encode_queue(*once_more, stable);
  CHECK(stable == again);
}

void check_schedule(std::string_view value) {
  const auto schedule = decode_schedule({QueueNumber{1}, "uid"}, value);
  if (!schedule) return;
  std::string again;
  encode_schedule(*schedule, again);
  CHECK(again == value);
}

void check_redrive(std::string_view value) {
  const auto redrive = decode_redrive({QueueNumber{1}, {1, 2}}, value);
  if (!redrive) return;
  std::string again;
  encode_redrive(*redrive, again);
  CHECK(again == value);
}

void check_group(std::string_view value) {
  const auto group = decode_group({QueueNumber{1}, {1, 2}}, value);
  if (!group) return;
  std::string again;
  encode_group(*group, again);
  CHECK(again == value);
}

void check_keys(std::string_view bytes) {
  if (const auto key = decode_job_key(bytes)) CHECK(job_key(key->queue, key->id) == bytes);
  if (const auto key = decode_claim_key(bytes)) CHECK(claim_key(*key) == bytes);
  if (const auto key = decode_queue_key(bytes)) CHECK(queue_key(*key) == bytes);
  if (const auto key = decode_schedule_key(bytes)) {
    CHECK(schedule_key(key->queue, key->uid) == bytes);
  }
  if (const auto key = decode_redrive_key(bytes)) {
    CHECK(redrive_key(key->queue, key->id) == bytes);
  }
  if (const auto key = decode_group_key(bytes)) CHECK(group_key(key->queue, key->id) == bytes);
  if (const auto number = decode_number(bytes)) {
    std::string again;
    encode_number(*number, again);
    CHECK(again == bytes);
  }
}

}  // namespace
}  // namespace sluice::broker

// The first byte says which record it is. Kinds that came later have letters of their own, so that
// what is kept means what it did.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::broker;
  if (size == 0) return 0;
  const std::string_view value(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr void (*kChecks[])(std::string_view) = {check_job,      check_finished, check_claim,
                                                   check_key,      check_body,     check_queue,
                                                   check_schedule, check_keys};
  if (data[0] == 'r') {
    check_redrive(value);
  } else if (data[0] == 'g') {
    check_group(value);
  } else {
    kChecks[data[0] % std::size(kChecks)](value);
  }
  return 0;
}
