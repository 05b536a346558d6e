// Everything `sluice dev` keeps between two starts, under one lock.
#pragma once

#include <cstdint>
#include <filesystem>

#include "cli/local/files.h"
#include "common/base/result.h"

namespace sluice::local {

// The folder belongs to this process until this object is gone (or the process, however it ends).
class DataFolder {
 public:
  // Makes what is missing. kConflict, naming the other process, when a `sluice dev` uses it.
  static Result<DataFolder> open(const std::filesystem::path& path);

  // Counts the starts on this folder; on disk when it returns. No number is given out twice.
  Result<std::uint32_t> next_boot();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path objects_file() const { return path_ / "objects.json"; }
  std::filesystem::path own_log() const { return path_ / "log" / "dev.log"; }
  std::filesystem::path broker_folder() const { return path_ / "broker"; }
  std::filesystem::path backup_folder() const { return path_ / "backups"; }
  std::filesystem::path broker_log() const { return path_ / "log" / "broker.log"; }
  std::filesystem::path worker_logs() const { return path_ / "log" / "workers"; }

 private:
  DataFolder(std::filesystem::path path, Fd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;  // absolute
  Fd lock_;
};

}  // namespace sluice::local
