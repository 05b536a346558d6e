#include "broker/storage/log_mark.h"

#include "broker/storage/bytes.h"

namespace sluice::broker {
namespace {

constexpr std::string_view kName = "SLm1";

}  // namespace

std::string encode_mark(const LogMark& mark) {
  std::string bytes;
  bytes.reserve(kLogMarkBytes);
  ByteWriter out(bytes);
  out.raw(kName);
  for (const LogPosition& position : {mark.synced, mark.written}) {
    out.fixed64(position.file);
    out.fixed64(position.offset);
  }
  return bytes;
}

std::optional<LogMark> mark_at_end(std::string_view batch) {
  if (batch.size() < kLogMarkBytes) return std::nullopt;
  const std::string_view bytes = batch.substr(batch.size() - kLogMarkBytes);
  if (!bytes.starts_with(kName)) return std::nullopt;
  ByteReader in(bytes.substr(kName.size()));
  LogMark mark;
  for (LogPosition* position : {&mark.synced, &mark.written}) {
    position->file = in.fixed64("file");
    position->offset = in.fixed64("offset");
  }
  return mark;
}

}  // namespace sluice::broker
