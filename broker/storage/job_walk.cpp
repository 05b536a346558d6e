#include "broker/storage/job_walk.h"

namespace sluice::broker {

JobWalk::JobWalk(const KeyValueReader& reader, std::span<const Family> families, QueueNumber queue,
                 std::optional<JobId> after) {
  const std::string prefix = queue_prefix(queue);
  std::string from = after ? job_key(queue, *after) : prefix;
  if (after) from.push_back('\0');  // the first key behind it
  for (const Family family : families) {
    sources_.push_back({family, reader.scan(family, prefix, from, ScanKind::kPage)});
  }
  choose();
}

void JobWalk::next() {
  current_->cursor->next();
  choose();
}

Status JobWalk::status() const {
  for (const Source& source : sources_) {
    if (Status status = source.cursor->status(); !status) return status;
  }
  return Ok{};
}

void JobWalk::choose() {
  current_ = nullptr;
  for (Source& source : sources_) {
    if (!source.cursor->valid()) continue;
    if (current_ == nullptr || source.cursor->key() < current_->cursor->key()) current_ = &source;
  }
}

}  // namespace sluice::broker
