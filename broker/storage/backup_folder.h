// Backups of the store: a folder each, that is whole or not there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/storage/store.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::broker {

struct Backup {
  std::string name;
  TimePoint created_at;  // everything that was acknowledged before is in it
  std::uint64_t bytes =
      0;  // of its files; those that are links cost nothing while the store has them
};

// A file of a backup, as its listing has it.
struct BackupFile {
  std::string name;
  std::uint64_t bytes = 0;
};

// What a backup holds (docs/storage-format.md): its listing is the last file that is written.
struct BackupListing {
  TimePoint created_at;
  std::vector<BackupFile> files;

  std::uint64_t bytes() const;
};
std::string encode_listing(const BackupListing& listing);
// kCorruption for what encode_listing() did not make, and for names that lead out of a folder.
Result<BackupListing> decode_listing(std::string_view text);

// A path's segment of 1 to 64 of [A-Za-z0-9._-], without a dot in front.
bool is_backup_name(std::string_view name);
// "20261127T145007Z", which sorts by time.
std::string backup_name_of(TimePoint now);

// The files below a backup's own folder.
inline constexpr std::string_view kListingFile = "BACKUP";
inline constexpr std::string_view kStoreFolder = "store";

// Reads the listing of the backup in `folder`. kNotFound: there is no backup.
Result<BackupListing> read_listing(const std::string& folder);

// The folder of a broker's backups. One that is being made or removed has a name with a dot in
// front, and so is nobody's; a rename, synced, makes it whole, or gone.
//
// Threads: any; create() one at a time. All of it blocks on the disk.
class BackupFolder {
 public:
  // Makes the folder where there is none, and removes what a broker that was ended left half done.
  static Result<BackupFolder> open(std::string path);

  const std::string& path() const { return path_; }

  // On disk when this returns. Requires: is_backup_name(name). kConflict when the name is taken.
  Result<Backup> create(Store& store, const std::string& name, TimePoint now);
  // In order of name. What is no backup is passed over.
  Result<std::vector<Backup>> list() const;
  // kNotFound when there is none.
  Status remove(const std::string& name);

 private:
  explicit BackupFolder(std::string path) : path_(std::move(path)) {}
  std::string at(std::string_view name) const;

  std::string path_;
};

}  // namespace sluice::broker
