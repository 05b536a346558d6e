// Redrive records as bytes and back (docs/storage-format.md).
#pragma once

#include <string>
#include <string_view>

#include "broker/engine/redrive.h"
#include "common/base/result.h"

namespace sluice::broker {

// In the meta family, as the keys of record_codec.h.
inline constexpr std::string_view kRedriveKeyPrefix = "r";
// Every redrive of the queue has this prefix.
std::string redrive_prefix(QueueNumber queue);
std::string redrive_key(QueueNumber queue, Uuid id);

struct RedriveKey {
  QueueNumber queue{};
  Uuid id;
};
Result<RedriveKey> decode_redrive_key(std::string_view key);

void encode_redrive(const RedriveRecord& record, std::string& out);
Result<RedriveRecord> decode_redrive(RedriveKey key, std::string_view value);

}  // namespace sluice::broker
