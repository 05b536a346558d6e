// Backups as calls of the API: one at a time, and only while the disk has room for one.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "broker/storage/backup_folder.h"
#include "common/base/clock.h"

namespace sluice::broker {

// Threads: any. begin() does not block, the others do.
class BackupDesk {
 public:
  // The references outlive it.
  BackupDesk(BackupFolder folder, Store& store, const Clock& clock, std::uint64_t reserve_bytes)
      : folder_(std::move(folder)), store_(store), clock_(clock), reserve_bytes_(reserve_bytes) {}

  // Whether the caller may create() now, and then must; kConflict while another does.
  Status begin();
  // kDiskFull when the disk would be left with less than its reserve. Without a name it is called
  // by the time.
  Result<Backup> create(const std::optional<std::string>& name);

  Result<std::vector<Backup>> list() const { return folder_.list(); }
  Status remove(const std::string& name) { return folder_.remove(name); }

 private:
  Status check_room() const;

  BackupFolder folder_;
  Store& store_;
  const Clock& clock_;
  const std::uint64_t reserve_bytes_;
  std::atomic<bool> is_busy_{false};
};

}  // namespace sluice::broker
