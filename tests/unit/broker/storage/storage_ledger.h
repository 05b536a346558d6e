// Batches as a broker writes them, and what must be there after each of them.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/storage/key_value_engine.h"
#include "broker/storage/record_codec.h"
#include "common/base/check.h"

namespace sluice::broker {

using Content = std::map<std::pair<Family, std::string>, std::string>;

// Everything an engine shows, or why it cannot.
inline Result<Content> read_everything(const KeyValueReader& reader) {
  Content content;
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    const auto family = static_cast<Family>(i);
    const auto cursor = reader.scan(family, {}, {}, ScanKind::kEverything);
    for (; cursor->valid(); cursor->next()) {
      content.emplace(std::pair(family, std::string(cursor->key())), cursor->value());
    }
    if (Status status = cursor->status(); !status) return std::move(status).error();
  }
  return content;
}

// Every batch touches several families: enqueues a job, finishes the one before the last, and
// overwrites a number. Every third is a claim, written without a sync.
class StorageLedger {
 public:
  explicit StorageLedger(std::size_t body_bytes) : body_bytes_(body_bytes) {}

  // Writes the next batch; false when the engine refused it. What a refused batch wrote may be
  // there after a restart or not.
  bool write_next(KeyValueEngine& engine) {
    const std::size_t n = contents_.size();
    Content after = contents_.back();
    const auto batch = engine.new_batch();
    const auto put = [&](Family family, const std::string& key, const std::string& value) {
      batch->put(family, key, value);
      after[{family, key}] = value;
    };
    const bool sync = n % 3 != 0;
    put(Family::kClaims, key(n), "claim of " + key(n));
    if (sync) {
      put(Family::kJobs, key(n), "job " + key(n));
      put(Family::kBodies, key(n), std::string(body_bytes_, static_cast<char>('a' + n % 26)));
      put(Family::kMeta, "last", key(n));
      put(Family::kKeys, key(n), key_record());
    }
    if (n >= 3 && after.contains({Family::kBodies, key(n - 2)})) {
      put(Family::kOutcomes, key(n - 2), "finished " + key(n - 2));
      batch->remove(Family::kJobs, key(n - 2));
      batch->remove_once(Family::kBodies, key(n - 2));
      after.erase({Family::kJobs, key(n - 2)});
      after.erase({Family::kBodies, key(n - 2)});
    }
    contents_.push_back(std::move(after));
    if (!engine.write(*batch, sync)) return false;
    if (sync) synced_ = n;
    written_ = n;
    return true;
  }

  // Which batch `content` is the state after; absent when it is after none. That is one batch in
  // whole, none skipped.
  std::optional<std::size_t> batch_of(const Content& content) const {
    for (std::size_t i = contents_.size(); i-- > 0;) {
      if (contents_[i] == content) return i;
    }
    return std::nullopt;
  }

  // After a restart: what was found is how it all goes on.
  void go_on_from(std::size_t batch) {
    CHECK(batch < contents_.size());
    contents_.resize(batch + 1);
    synced_ = written_ = batch;
  }

  std::size_t synced() const { return synced_; }    // the last batch acknowledged as on disk
  std::size_t written() const { return written_; }  // the last batch acknowledged at all

 private:
  // RocksDB drops keys that expire, and looks into what they hold.
  static std::string key_record() {
    std::string value;
    encode_key({.key = {1}, .expires_at = TimePoint{} + std::chrono::hours{24 * 365 * 200}}, value);
    return value;
  }
  static std::string key(std::size_t n) { return "key" + std::to_string(100'000 + n); }

  std::size_t body_bytes_;
  std::vector<Content> contents_{Content{}};
  std::size_t synced_ = 0;
  std::size_t written_ = 0;
};

}  // namespace sluice::broker
