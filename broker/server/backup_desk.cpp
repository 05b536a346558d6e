#include "broker/server/backup_desk.h"

#include <filesystem>

#include "common/base/log.h"

namespace sluice::broker {

Status BackupDesk::begin() {
  if (!is_busy_.exchange(true)) return Ok{};
  return Error{ErrorCode::kConflict, "another backup is being made: only one at a time"};
}

Status BackupDesk::check_room() const {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder_.path(), error);
  if (error) return Ok{};  // a write will tell
  const std::uint64_t wanted = store_.checkpoint_bytes_max(folder_.path());
  if (space.available >= wanted && space.available - wanted >= reserve_bytes_) return Ok{};
  return Error{ErrorCode::kDiskFull,
               "a backup takes up to " + std::to_string(wanted) + " bytes: the disk, which has " +
                   std::to_string(space.available) + ", would be left with less than its reserve"};
}

Result<Backup> BackupDesk::create(const std::optional<std::string>& name) {
  const TimePoint now = clock_.now().wall;
  const Status room = check_room();
  auto made = room ? folder_.create(store_, name.value_or(backup_name_of(now)), now)
                   : Result<Backup>{room.error()};
  is_busy_ = false;
  if (made) {
    log_info("backup made", {{"name", made->name}, {"bytes", made->bytes}});
  } else if (made.error().code != ErrorCode::kConflict) {
    log_warn("backup failed", {{"error", made.error().message}});
  }
  return made;
}

}  // namespace sluice::broker
