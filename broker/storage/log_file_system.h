// The file system under RocksDB: how its log and its manifest come to the disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "broker/storage/log_mark.h"

namespace rocksdb {
class FileSystem;
}

namespace sluice::broker {

// How far the log is written and synced. Threads: any; only one writes batches.
class LogProgress {
 public:
  // What the next batch says. Requires: the batches before it are written.
  LogMark begin_batch();
  // Of a log file that is open: its bytes, without the zeros ahead.
  std::optional<std::uint64_t> size_of(const std::string& path) const;

  // A file: new, longer, or closed.
  void opened(const std::string& path);
  void wrote(const std::string& path, LogPosition end);
  void closed(const std::string& path);
  // Everything before `end` is on disk, which may be in the middle of a batch.
  void synced(LogPosition end);

 private:
  mutable std::mutex mutex_;
  LogPosition synced_;
  LogPosition written_;
  LogPosition batch_begin_;  // of the last one
  std::map<std::string, std::uint64_t> open_logs_;
};

// `below`, but before a small write goes past the end of a log file, zeros are written there, so
// that most syncs find a file that has its size and its blocks, and write data alone: without the
// file system's journal (ADR 18 has figures). A log that is closed has its real size; that of a
// killed process ends in zeros.
//
// Each record of a manifest is synced before the next is written (RocksDB would sync several
// together), and its name before CURRENT has it. So of both, what a power cut leaves can be told
// from damage (recover_folder()).
//
// Files anywhere but in `folder` are as below: those of a checkpoint.
std::shared_ptr<rocksdb::FileSystem> make_log_file_system(
    std::shared_ptr<rocksdb::FileSystem> below, const std::string& folder,
    std::shared_ptr<LogProgress> progress);

// The number of a log file, such as 000123.log; absent for files of other kinds.
std::optional<std::uint64_t> log_number(const std::string& path);

}  // namespace sluice::broker
