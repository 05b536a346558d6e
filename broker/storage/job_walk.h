// One queue's stored jobs in order of id, over the families that a list call covers.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "broker/storage/key_value_engine.h"
#include "broker/storage/record_codec.h"

namespace sluice::broker {

// Merges cursors over families with job keys. An id that is in several stands once for each, side
// by side, in the order the families were given.
class JobWalk {
 public:
  JobWalk(const KeyValueReader& reader, std::span<const Family> families, QueueNumber queue,
          std::optional<JobId> after);

  bool valid() const { return current_ != nullptr; }
  // Requires: valid(). Views until next().
  Family family() const { return current_->family; }
  Result<JobKey> key() const { return decode_job_key(current_->cursor->key()); }
  std::string_view value() const { return current_->cursor->value(); }
  void next();
  // Why valid() is false.
  Status status() const;

 private:
  struct Source {
    Family family;
    std::unique_ptr<KeyValueCursor> cursor;
  };
  void choose();

  std::vector<Source> sources_;
  Source* current_ = nullptr;
};

}  // namespace sluice::broker
