#include "broker/storage/redrive_codec.h"

#include <algorithm>

#include "broker/storage/enum_codes.h"
#include "broker/storage/extras_codec.h"
#include "broker/storage/record_codec.h"

namespace sluice::broker {
namespace {

constexpr std::array kRedriveStateCodes = {
    RedriveState::kRunning,
    RedriveState::kDone,
    RedriveState::kCancelled,
};

// Which parts follow, in this order.
enum RedriveBit : std::uint32_t {
  kHasIds = 1u << 0,
  kHasReason = 1u << 1,
  kHasDiedBefore = 1u << 2,
  kHasDiedAfter = 1u << 3,
  kHasCursor = 1u << 4,
  kHasFinishedAt = 1u << 5,
  kHasTenant = 1u << 6,
  kHasKey = 1u << 7,
};
constexpr std::uint32_t kRedriveBitsKnown = (1u << 8) - 1;
constexpr std::size_t kIdBytes = 16;

std::uint32_t mask_of(const RedriveRecord& r) {
  std::uint32_t mask = 0;
  const auto set = [&mask](std::uint32_t bit, bool present) { mask |= present ? bit : 0; };
  set(kHasIds, r.filter.ids.has_value());
  set(kHasReason, !r.filter.reason.empty());
  set(kHasDiedBefore, r.filter.died_before.has_value());
  set(kHasDiedAfter, r.filter.died_after.has_value());
  set(kHasCursor, r.cursor.has_value());
  set(kHasFinishedAt, r.finished_at.has_value());
  set(kHasTenant, !r.filter.tenant.empty());
  set(kHasKey, !r.filter.key.empty());
  return mask;
}

}  // namespace

std::string redrive_prefix(QueueNumber queue) {
  std::string key(kRedriveKeyPrefix);
  return key.append(queue_prefix(queue));
}

std::string redrive_key(QueueNumber queue, Uuid id) {
  std::string key = redrive_prefix(queue);
  ByteWriter out(key);
  write_uuid(id, out);
  return key;
}

Result<RedriveKey> decode_redrive_key(std::string_view key) {
  ByteReader in(key);
  if (in.raw(1, "prefix") != kRedriveKeyPrefix) in.fail("prefix", "is not known");
  const QueueNumber queue{in.fixed32("queue number")};
  const Uuid id = read_uuid(in, "redrive id");
  if (Status status = in.finish("redrive key"); !status) return std::move(status).error();
  return RedriveKey{queue, id};
}

void encode_redrive(const RedriveRecord& r, std::string& bytes) {
  ByteWriter out(bytes);
  out.u8(kRecordVersion);
  write_code(kRedriveStateCodes, r.state, out);
  out.svarint(r.per_second);
  out.varint(r.filter.max);
  out.varint(r.selected);
  out.varint(r.redriven);
  write_time(r.created_at, out);
  out.varint(mask_of(r));
  if (r.filter.ids) {
    out.varint(r.filter.ids->size());
    for (const JobId& id : *r.filter.ids) write_uuid(id, out);
  }
  if (!r.filter.reason.empty()) out.text(r.filter.reason);
  if (r.filter.died_before) write_time(*r.filter.died_before, out);
  if (r.filter.died_after) write_time(*r.filter.died_after, out);
  if (r.cursor) {
    write_time(r.cursor->first, out);
    write_uuid(r.cursor->second, out);
  }
  if (r.finished_at) write_time_after(r.created_at, *r.finished_at, out);
  if (!r.filter.tenant.empty()) out.text(r.filter.tenant);
  if (!r.filter.key.empty()) out.text(r.filter.key);
}

Result<RedriveRecord> decode_redrive(RedriveKey key, std::string_view value) {
  ByteReader in(value);
  RedriveRecord r;
  r.queue = key.queue;
  r.id = key.id;
  if (in.u8("version") != kRecordVersion) in.fail("version", "is not known");
  r.state = read_code(kRedriveStateCodes, in, "state");
  r.per_second = in.svarint32("pace");
  r.filter.max = in.varint("max");
  r.selected = in.varint32("selected jobs");
  r.redriven = in.varint32("redriven jobs");
  r.created_at = read_time(in, "creation");
  const std::uint32_t mask = in.varint32("parts");
  if (mask & ~kRedriveBitsKnown) in.fail("parts", "is not known");
  if (mask & kHasIds) {
    std::vector<JobId>& ids = r.filter.ids.emplace(in.count(kIdBytes, "ids"));
    for (JobId& id : ids) id = read_uuid(in, "job id");
  }
  if (mask & kHasReason) {
    r.filter.reason = in.text("reason");
    if (r.filter.reason.empty()) in.fail("reason", "is empty");
  }
  if (mask & kHasDiedBefore) r.filter.died_before = read_time(in, "diedBefore");
  if (mask & kHasDiedAfter) r.filter.died_after = read_time(in, "diedAfter");
  if (mask & kHasCursor) {
    const TimePoint died_at = read_time(in, "cursor");
    r.cursor = {died_at, read_uuid(in, "cursor")};
  }
  if (mask & kHasFinishedAt) r.finished_at = read_time_after(r.created_at, in, "finish");
  if (mask & kHasTenant) {
    r.filter.tenant = in.text("tenant");
    if (r.filter.tenant.empty()) in.fail("tenant", "is empty");
  }
  if (mask & kHasKey) {
    r.filter.key = in.text("key");
    if (r.filter.key.empty()) in.fail("key", "is empty");
  }
  if (r.per_second < 1) in.fail("pace", "is out of range");
  if (Status status = in.finish("redrive"); !status) return std::move(status).error();
  return r;
}

}  // namespace sluice::broker
