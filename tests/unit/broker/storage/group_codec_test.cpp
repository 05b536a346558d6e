#include "broker/storage/group_codec.h"

#include "rapidcheck/gtest.h"
#include "tests/unit/broker/storage/sample_records.h"

namespace sluice::broker {
namespace {

GroupRecord any_group() {
  GroupRecord g;
  g.queue = QueueNumber{any<std::uint32_t>()};
  g.id = any_uuid();
  g.succeeded = any<std::uint16_t>();
  g.dead = any<std::uint16_t>();
  g.cancelled = any<std::uint16_t>();
  g.total = g.succeeded + g.dead + g.cancelled + any<std::uint16_t>();
  g.created_at = any_time();
  g.open = any<bool>();
  g.finished_at = maybe(any_time);
  g.callback = maybe([] { return api::Callback{any_text(), any_text()}; });
  return g;
}

bool same(const GroupRecord& a, const GroupRecord& b) {
  const auto members = [](const GroupRecord& g) {
    return std::tie(g.queue, g.id, g.total, g.succeeded, g.dead, g.cancelled, g.created_at, g.open,
                    g.finished_at, g.callback);
  };
  return members(a) == members(b);
}

std::string bytes_of(const GroupRecord& g) {
  std::string bytes;
  encode_group(g, bytes);
  return bytes;
}

RC_GTEST_PROP(GroupCodec, RoundTrips, ()) {
  const GroupRecord group = any_group();

  const auto key = decode_group_key(group_key(group.queue, group.id));
  RC_ASSERT(static_cast<bool>(key));
  const auto decoded = decode_group(*key, bytes_of(group));

  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(same(*decoded, group));
}

// SURVIVAL 20
RC_GTEST_PROP(GroupCodec, WhatIsAcceptedEncodesToTheSameBytes, ()) {
  std::string bytes = bytes_of(any_group());
  bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = any<char>();

  const auto decoded = decode_group({}, bytes);

  if (decoded) RC_ASSERT(bytes_of(*decoded) == bytes);
}

RC_GTEST_PROP(GroupCodec, TakesAnyBytes, (const std::string& bytes)) {
  (void)decode_group({}, bytes);
  (void)decode_group_key(bytes);
}

}  // namespace
}  // namespace sluice::broker
