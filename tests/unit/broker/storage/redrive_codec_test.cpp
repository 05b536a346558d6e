#include "broker/storage/redrive_codec.h"

#include "rapidcheck/gtest.h"
#include "tests/unit/broker/storage/sample_records.h"

namespace sluice::broker {
namespace {

RedriveRecord any_redrive() {
  RedriveRecord r;
  r.queue = QueueNumber{any<std::uint32_t>()};
  r.id = any_uuid();
  r.state =
      any_of<RedriveState>({RedriveState::kRunning, RedriveState::kDone, RedriveState::kCancelled});
  r.filter.reason = any_text();
  r.filter.tenant = any_text();
  r.filter.key = any_text();
  r.filter.died_before = maybe(any_time);
  r.filter.died_after = maybe(any_time);
  r.filter.max = any<std::uint32_t>();
  if (any<bool>()) {
    r.filter.ids.emplace(*rc::gen::inRange<std::size_t>(0, 4));
    for (JobId& id : *r.filter.ids) id = any_uuid();
  }
  r.per_second = *rc::gen::inRange(1, 100'001);
  r.selected = any<std::uint32_t>();
  r.redriven = any<std::uint32_t>();
  r.created_at = any_time();
  r.cursor = maybe([] { return std::pair{any_time(), any_uuid()}; });
  r.finished_at = maybe(any_time);
  return r;
}

bool same(const RedriveRecord& a, const RedriveRecord& b) {
  const auto members = [](const RedriveRecord& r) {
    return std::tie(r.queue, r.id, r.state, r.filter.ids, r.filter.reason, r.filter.tenant,
                    r.filter.key, r.filter.died_before, r.filter.died_after, r.filter.max,
                    r.per_second, r.selected, r.redriven, r.created_at, r.cursor, r.finished_at);
  };
  return members(a) == members(b);
}

std::string bytes_of(const RedriveRecord& r) {
  std::string bytes;
  encode_redrive(r, bytes);
  return bytes;
}

RC_GTEST_PROP(RedriveCodec, RoundTrips, ()) {
  const RedriveRecord redrive = any_redrive();

  const auto key = decode_redrive_key(redrive_key(redrive.queue, redrive.id));
  RC_ASSERT(static_cast<bool>(key));
  const auto decoded = decode_redrive(*key, bytes_of(redrive));

  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(same(*decoded, redrive));
}

// SURVIVAL 20
RC_GTEST_PROP(RedriveCodec, WhatIsAcceptedEncodesToTheSameBytes, ()) {
  std::string bytes = bytes_of(any_redrive());
  bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = any<char>();

  const auto decoded = decode_redrive({}, bytes);

  if (decoded) RC_ASSERT(bytes_of(*decoded) == bytes);
}

RC_GTEST_PROP(RedriveCodec, TakesAnyBytes, (const std::string& bytes)) {
  (void)decode_redrive({}, bytes);
  (void)decode_redrive_key(bytes);
}

}  // namespace
}  // namespace sluice::broker
