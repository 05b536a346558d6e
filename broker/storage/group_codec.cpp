#include "broker/storage/group_codec.h"

#include "broker/storage/extras_codec.h"
#include "broker/storage/record_codec.h"

namespace sluice::broker {
namespace {

enum GroupBit : std::uint8_t {
  kIsOpen = 1u << 0,
  kHasFinishedAt = 1u << 1,
  kHasCallback = 1u << 2,
};
constexpr std::uint8_t kGroupBitsKnown = kIsOpen | kHasFinishedAt | kHasCallback;

}  // namespace

std::string group_prefix(QueueNumber queue) {
  std::string key(kGroupKeyPrefix);
  return key.append(queue_prefix(queue));
}

std::string group_key(QueueNumber queue, Uuid id) {
  std::string key = group_prefix(queue);
  ByteWriter out(key);
  write_uuid(id, out);
  return key;
}

Result<GroupKey> decode_group_key(std::string_view key) {
  ByteReader in(key);
  if (in.raw(1, "prefix") != kGroupKeyPrefix) in.fail("prefix", "is not known");
  const QueueNumber queue{in.fixed32("queue number")};
  const Uuid id = read_uuid(in, "group id");
  if (Status status = in.finish("group key"); !status) return std::move(status).error();
  return GroupKey{queue, id};
}

void encode_group(const GroupRecord& g, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  out.u8(static_cast<std::uint8_t>((g.open ? kIsOpen : 0) | (g.finished_at ? kHasFinishedAt : 0) |
                                   (g.callback ? kHasCallback : 0)));
  out.varint(g.total);
  out.varint(g.succeeded);
  out.varint(g.dead);
  out.varint(g.cancelled);
  write_time(g.created_at, out);
  if (g.finished_at) write_time_after(g.created_at, *g.finished_at, out);
  if (g.callback) {
    out.text(g.callback->url);
    out.text(g.callback->secret_name);
  }
}

Result<GroupRecord> decode_group(GroupKey key, std::string_view value) {
  ByteReader in(value);
  GroupRecord g;
  g.queue = key.queue;
  g.id = key.id;
  if (in.u8("version") != kRecordVersion) in.fail("version", "is not known");
  const std::uint8_t mask = in.u8("parts");
  if (mask & ~kGroupBitsKnown) in.fail("parts", "is not known");
  g.open = (mask & kIsOpen) != 0;
  g.total = in.varint32("jobs");
  g.succeeded = in.varint32("succeeded jobs");
  g.dead = in.varint32("dead jobs");
  g.cancelled = in.varint32("cancelled jobs");
  const std::uint64_t ended = std::uint64_t{g.succeeded} + g.dead + g.cancelled;
  if (ended > g.total) in.fail("jobs", "is out of range");
  g.created_at = read_time(in, "creation");
  if (mask & kHasFinishedAt) g.finished_at = read_time_after(g.created_at, in, "finish");
  if (mask & kHasCallback) {
    api::Callback& callback = g.callback.emplace();
    callback.url = in.text("callback");
    callback.secret_name = in.text("callback secret");
  }
  if (Status status = in.finish("group"); !status) return std::move(status).error();
  return g;
}

}  // namespace sluice::broker
