// The key-value engine on disk: RocksDB, tuned for a broker's small memory and short stalls.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "broker/storage/key_value_engine.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace rocksdb {
class FileSystem;
}

namespace sluice::broker {

struct RocksDbOptions {
  // Dates the expiry of finished jobs and idempotency keys, in threads of RocksDB. Outlives the
  // engine.
  const Clock& clock;
  // What RocksDB writes to instead of the machine's: a test's that fails.
  std::shared_ptr<rocksdb::FileSystem> file_system = nullptr;
  // Opens a copy of a checkpoint that may not be served from yet: every block is read and checked,
  // there may be no log, and kRestoringMark does not matter.
  bool is_restoring = false;
};

// A file in a data folder that is being restored, until it is whole.
inline constexpr std::string_view kRestoringMark = "RESTORING";

// Opens the folder `path`, making it where there is none, and locks it until the engine is gone.
// Blocks while the log is replayed. kUnavailable when another process holds the folder or the disk
// fails; kCorruption for damage anywhere but in an incomplete last record of the log, and for a
// folder whose restore was cut off.
Result<std::unique_ptr<KeyValueEngine>> open_rocksdb(const std::string& path,
                                                     const RocksDbOptions& options);

}  // namespace sluice::broker
