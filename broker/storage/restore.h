// A data folder out of a backup.
#pragma once

#include <cstdint>
#include <string>

#include "broker/storage/backup_folder.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::broker {

struct Restored {
  TimePoint created_at;
  std::uint64_t bytes = 0;
  std::uint32_t boot = 0;  // the next start has the one behind it
};

// What a restore adds to the backup's boot number, so that no id and no lease is one that the
// original made after the backup: far more than it may restart until then. The salt keeps two
// restores of one backup apart, too.
inline constexpr std::uint32_t kRestoreBoots = 1u << 16;
inline constexpr std::uint32_t kRestoreSaltMax = (1u << 16) - 1;

// Copies the backup in the folder `backup` into `data`, which is empty or not there (lost+found and
// a folder that the backup itself is in may be), checks all of it, and syncs it. A broker refuses
// a folder whose restore was cut off. `salt`: any number. kNotFound: no backup; kConflict: `data`
// holds something; kDiskFull; kCorruption: the backup is damaged.
Result<Restored> restore_backup(const std::string& backup, const std::string& data,
                                std::uint32_t salt, const Clock& clock);

}  // namespace sluice::broker
