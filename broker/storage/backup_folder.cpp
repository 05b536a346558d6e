#include "broker/storage/backup_folder.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "broker/storage/files.h"

namespace sluice::broker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNameBytesMax = 64;
constexpr std::string_view kMaking = ".making-";
constexpr std::string_view kRemoving = ".removing-";
// The first line of a listing; its number rises when the form changes.
constexpr std::string_view kListingHead = "sluice-backup 1";

Error not_a_listing(std::string_view why) {
  return {ErrorCode::kCorruption, "the backup's listing is damaged: " + std::string(why)};
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

// "NAME BYTES", where the name is one of a file in this very folder.
std::optional<BackupFile> to_file(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == 0 || space == std::string_view::npos) return std::nullopt;
  const std::string_view name = line.substr(0, space);
  const auto bytes = to_number(line.substr(space + 1));
  if (!bytes || name.starts_with('.') || name.find('/') != std::string_view::npos) {
    return std::nullopt;
  }
  return BackupFile{std::string(name), *bytes};
}

Result<BackupListing> list_files(const fs::path& folder, TimePoint now) {
  BackupListing listing{.created_at = now, .files = {}};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::uintmax_t bytes = entry.file_size(error);
    if (error) break;
    listing.files.push_back({entry.path().filename().string(), bytes});
  }
  if (error) return file_error("read", folder, error);
  std::sort(listing.files.begin(), listing.files.end(),
            [](const BackupFile& a, const BackupFile& b) { return a.name < b.name; });
  return listing;
}

}  // namespace

std::uint64_t BackupListing::bytes() const {
  std::uint64_t sum = 0;
  for (const BackupFile& file : files) sum += file.bytes;
  return sum;
}

std::string encode_listing(const BackupListing& listing) {
  std::string text(kListingHead);
  text.append("\ncreated ").append(format_rfc3339(listing.created_at));
  text.append("\nfiles ").append(std::to_string(listing.files.size())).append("\n");
  for (const BackupFile& file : listing.files) {
    text.append(file.name).append(" ").append(std::to_string(file.bytes)).append("\n");
  }
  return text;
}

Result<BackupListing> decode_listing(std::string_view text) {
  constexpr std::string_view kCreated = "created ";
  constexpr std::string_view kFiles = "files ";
  if (take_line(text) != kListingHead) return not_a_listing("another version wrote it, or none");
  const std::string_view created = take_line(text);
  const std::string_view count = take_line(text);
  if (!created.starts_with(kCreated) || !count.starts_with(kFiles)) {
    return not_a_listing("lines are missing");
  }
  const auto created_at = parse_rfc3339(created.substr(kCreated.size()));
  const auto files = to_number(count.substr(kFiles.size()));
  if (!created_at || !files) return not_a_listing("a time or a number is none");
  BackupListing listing{.created_at = *created_at, .files = {}};
  while (!text.empty()) {
    auto file = to_file(take_line(text));
    if (!file) return not_a_listing("a line names no file");
    listing.files.push_back(*std::move(file));
  }
  if (listing.files.size() != *files) return not_a_listing("files are missing");
  return listing;
}

bool is_backup_name(std::string_view name) {
  const auto is_safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_safe);
}

std::string backup_name_of(TimePoint now) {
  std::string name = format_rfc3339(std::chrono::floor<std::chrono::seconds>(now));
  std::erase_if(name, [](char c) { return c == '-' || c == ':'; });
  return name;
}

Result<BackupListing> read_listing(const std::string& folder) {
  std::ifstream in(fs::path(folder) / kListingFile, std::ios::binary);
  if (!in) return Error{ErrorCode::kNotFound, "there is no backup in " + folder};
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return decode_listing(text);
}

Result<BackupFolder> BackupFolder::open(std::string path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return file_error("make", path, error);
  path = fs::absolute(path, error).string();
  if (error) return file_error("find", path, error);
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kMaking) || name.starts_with(kRemoving)) leftovers.push_back(entry.path());
  }
  if (error) return file_error("read", path, error);
  for (const fs::path& leftover : leftovers) {
    fs::remove_all(leftover, error);
    if (error) return file_error("remove", leftover, error);
  }
  return BackupFolder(std::move(path));
}

std::string BackupFolder::at(std::string_view name) const {
  return (fs::path(path_) / name).string();
}

Result<Backup> BackupFolder::create(Store& store, const std::string& name, TimePoint now) {
  std::error_code error;
  if (fs::exists(at(name), error)) {
    return Error{ErrorCode::kConflict, "there is something of the name " + name + " already"};
  }
  const fs::path making = at(std::string(kMaking) + name);
  const auto make = [&]() -> Result<BackupListing> {
    fs::create_directory(making, error);
    if (error) return file_error("make", making, error);
    const fs::path copy = making / kStoreFolder;
    if (Status made = store.checkpoint(copy.string()); !made) return std::move(made).error();
    auto listing = list_files(copy, now);
    if (!listing) return listing;
    Status done = write_file(making / kListingFile, encode_listing(*listing));
    if (done) done = sync_tree(making);
    if (!done) return std::move(done).error();
    fs::rename(making, at(name), error);
    if (error) return file_error("rename", making, error);
    return listing;
  };
  auto listing = make();
  Status named = listing ? sync_file(path_) : Status{listing.error()};
  if (!named) {
    fs::remove_all(making, error);  // what stays is removed by the next start
    return std::move(named).error();
  }
  return Backup{name, now, listing->bytes()};
}

Result<std::vector<Backup>> BackupFolder::list() const {
  std::vector<Backup> backups;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    std::string name = entry.path().filename().string();
    if (!is_backup_name(name)) continue;
    const auto listing = read_listing(entry.path().string());
    if (!listing) continue;
    backups.push_back({std::move(name), listing->created_at, listing->bytes()});
  }
  if (error) return file_error("read", path_, error);
  std::sort(backups.begin(), backups.end(),
            [](const Backup& a, const Backup& b) { return a.name < b.name; });
  return backups;
}

Status BackupFolder::remove(const std::string& name) {
  std::error_code error;
  if (!is_backup_name(name) || !fs::exists(fs::path(at(name)) / kListingFile, error)) {
    return Error{ErrorCode::kNotFound, "there is no such backup"};
  }
  const std::string removing = at(std::string(kRemoving) + name);
  fs::rename(at(name), removing, error);
  if (error) return file_error("rename", at(name), error);
  if (Status gone = sync_file(path_); !gone) return gone;
  fs::remove_all(removing, error);
  if (error) return file_error("remove", removing, error);
  return Ok{};
}

}  // namespace sluice::broker
