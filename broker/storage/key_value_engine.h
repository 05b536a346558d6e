// What the store needs from a durable ordered key-value engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice::broker {

// One ordered key space each; a batch spans them all. The order is not on disk, the names are
// (rocksdb_engine.cpp).
enum class Family : std::uint8_t {
  kMeta,
  kJobs,
  kDead,
  kBodies,
  kClaims,
  kFinished,
  kOutcomes,
  kKeys,
};
inline constexpr std::size_t kFamilyCount = 8;

// Writes that happen together or not at all, in the order they were added.
//
// Threads: one at a time.
class KeyValueBatch {
 public:
  virtual ~KeyValueBatch() = default;

  virtual void put(Family family, std::string_view key, std::string_view value) = 0;
  virtual void remove(Family family, std::string_view key) = 0;
  // For keys that are put exactly once and removed exactly once in their life: the pair annihilates
  // early. Undefined for any other key.
  virtual void remove_once(Family family, std::string_view key) = 0;
  // Every key in [begin, end).
  virtual void remove_range(Family family, std::string_view begin, std::string_view end) = 0;

  virtual bool empty() const = 0;
  virtual std::size_t size_bytes() const = 0;
};

// A walk over keys in ascending byte order. key() and value() are valid until next().
class KeyValueCursor {
 public:
  virtual ~KeyValueCursor() = default;

  virtual bool valid() const = 0;
  // Requires: valid().
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual void next() = 0;
  // Why valid() is false: Ok at the end, otherwise what was damaged or could not be read.
  virtual Status status() const = 0;
};

// A walk through everything reads ahead and leaves the cache alone.
enum class ScanKind { kPage, kEverything };

// Errors are kCorruption (a checksum does not hold) and kUnavailable (the disk).
class KeyValueReader {
 public:
  virtual ~KeyValueReader() = default;

  virtual Result<std::optional<std::string>> get(Family family, std::string_view key) const = 0;
  // One entry per key, in their order. Requires: keys of one size.
  virtual Result<std::vector<std::optional<std::string>>> multi_get(
      Family family, std::span<const std::string> keys) const = 0;
  // From the first key at or after `from` while keys begin with `prefix`. Requires: `from` is not
  // before `prefix`. The cursor sees one state, and must go before the reader.
  virtual std::unique_ptr<KeyValueCursor> scan(Family family, std::string_view prefix,
                                               std::string_view from, ScanKind kind) const = 0;
};

// RocksDB's and the one in memory pass the same tests
// (tests/unit/broker/storage/key_value_engine_test.cpp). As a reader it shows the latest state,
// each call one state of its own.
//
// Threads: write() from one at a time; reads from any. Snapshots and cursors must go before the
// engine.
class KeyValueEngine : public KeyValueReader {
 public:
  virtual std::unique_ptr<KeyValueBatch> new_batch() const = 0;

  // Atomic. On disk when this returns if `sync`, with all that was written before; otherwise with
  // the operating system. After an error the engine must not be written to again. The batch comes
  // from this engine's new_batch() and is written once.
  virtual Status write(const KeyValueBatch& batch, bool sync) = 0;

  // One state for several reads.
  virtual std::unique_ptr<KeyValueReader> snapshot() const = 0;

  // Bytes free on the file system the data is on; the largest number where there is none.
  virtual std::uint64_t free_bytes() const = 0;

  // Copies the state into the new folder `path`: all that was written before, and perhaps more, of
  // one moment. Files are linked where the file system allows it. Blocks, while writes go on.
  // kInvalidArgument for an engine without files, which is what this one says.
  virtual Status checkpoint(const std::string& path);
  // The most bytes that a checkpoint below `folder`, which is there, takes of its file system.
  virtual std::uint64_t checkpoint_bytes_max(const std::string& folder) const;
};

// The first key after all keys that begin with `prefix`; empty when there is no such key.
std::string end_of_prefix(std::string_view prefix);

}  // namespace sluice::broker
