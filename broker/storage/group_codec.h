// Group records as bytes and back (docs/storage-format.md).
#pragma once

#include <string>
#include <string_view>

#include "broker/engine/groups.h"
#include "common/base/result.h"

namespace sluice::broker {

// In the meta family, as the keys of record_codec.h.
inline constexpr std::string_view kGroupKeyPrefix = "g";
// Every group of the queue has this prefix.
std::string group_prefix(QueueNumber queue);
std::string group_key(QueueNumber queue, Uuid id);

struct GroupKey {
  QueueNumber queue{};
  Uuid id;
};
Result<GroupKey> decode_group_key(std::string_view key);

void encode_group(const GroupRecord& record, std::string& out);
Result<GroupRecord> decode_group(GroupKey key, std::string_view value);

}  // namespace sluice::broker
