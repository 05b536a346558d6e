#include "broker/storage/restore.h"

#include <filesystem>
#include <utility>

#include "broker/storage/files.h"
#include "broker/storage/rocksdb_engine.h"

namespace sluice::broker {
namespace {

namespace fs = std::filesystem;

// Whether `path` is `folder` or below it.
bool is_within(const fs::path& path, const fs::path& folder) {
  std::error_code error;
  const fs::path relative = fs::relative(path, folder, error);
  return !error && !relative.empty() && *relative.begin() != "..";
}

Status check_empty(const fs::path& data, const fs::path& backup) {
  std::error_code error;
  if (!fs::exists(data, error)) return Ok{};
  if (fs::exists(data / kRestoringMark, error)) {
    return Error{ErrorCode::kConflict, data.string() +
                                           " is not empty: a restore into it was cut off; remove "
                                           "what is in it, or restore into a new folder"};
  }
  for (const auto& entry : fs::directory_iterator(data, error)) {
    const fs::path name = entry.path().filename();
    if (name == "lost+found" || is_within(backup, entry.path())) continue;
    return Error{ErrorCode::kConflict, data.string() + " is not empty: it holds " + name.string() +
                                           "; restore into a new folder"};
  }
  if (error) return file_error("read", data, error);
  return Ok{};
}

// Every file that the listing names, with its size.
Status check_files(const fs::path& store, const BackupListing& listing) {
  for (const BackupFile& file : listing.files) {
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(store / file.name, error);
    if (error) {
      return Error{ErrorCode::kCorruption, "the backup is damaged: " + file.name + " is missing"};
    }
    if (bytes != file.bytes) {
      return Error{ErrorCode::kCorruption, "the backup is damaged: " + file.name + " has " +
                                               std::to_string(bytes) + " bytes instead of " +
                                               std::to_string(file.bytes)};
    }
  }
  return Ok{};
}

Status make_room(const fs::path& data, std::uint64_t bytes) {
  std::error_code error;
  fs::create_directories(data, error);
  if (error) return file_error("make", data, error);
  const fs::space_info space = fs::space(data, error);
  if (!error && space.available < bytes) {
    return Error{ErrorCode::kDiskFull, "the backup has " + std::to_string(bytes) + " bytes; " +
                                           data.string() + " has " +
                                           std::to_string(space.available) + " bytes of room"};
  }
  return Ok{};
}

}  // namespace

Result<Restored> restore_backup(const std::string& backup, const std::string& data,
                                std::uint32_t salt, const Clock& clock) {
  const auto listing = read_listing(backup);
  if (!listing) return listing.error();
  const fs::path from = fs::path(backup) / kStoreFolder;
  const fs::path into(data);
  const fs::path mark = into / kRestoringMark;
  Status done = check_files(from, *listing);
  if (done) done = check_empty(into, backup);
  if (done) done = make_room(into, listing->bytes());
  if (done) done = write_file(mark, "sluice-broker restore has not come to its end here\n");
  if (done) done = sync_file(into);
  for (const BackupFile& file : listing->files) {
    if (done) done = copy_file_synced(from / file.name, into / file.name);
  }
  if (done) done = sync_file(into);
  if (!done) return std::move(done).error();

  std::uint32_t boot = 0;
  {
    const auto engine = open_rocksdb(data, {.clock = clock, .is_restoring = true});
    if (!engine) return engine.error();
    const auto raised = skip_boots(**engine, kRestoreBoots + (salt & kRestoreSaltMax));
    if (!raised) return raised.error();
    boot = *raised;
  }

  std::error_code error;
  done = sync_file(into);
  if (done && !fs::remove(mark, error)) return file_error("remove", mark, error);
  if (done) done = sync_file(into);
  if (done) done = sync_file(into / "..");
  if (!done) return std::move(done).error();
  return Restored{listing->created_at, listing->bytes(), boot};
}

}  // namespace sluice::broker
