#include "tests/support/disk/faulty_disk.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "common/base/check.h"

namespace sluice::testing {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// RocksDB writes a folder's name with and without a slash at its end.
std::string folder_of(const std::string& file) {
  return std::filesystem::path(file).parent_path().lexically_normal().string();
}

std::string normal_folder(const std::string& folder) {
  return folder_of(folder + (folder.ends_with('/') ? "x" : "/x"));
}

// What a disk writes whole or not at all.
constexpr std::uint64_t kSectorBytes = 512;

void write_at(const std::string& name, std::uint64_t offset, const std::string& bytes) {
  std::fstream file(name, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush();
  CHECK(file.good());
}

std::string read_at(const std::string& name, std::uint64_t offset, std::uint64_t bytes) {
  std::string read(bytes, '\0');
  std::ifstream file(name, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(read.data(), static_cast<std::streamsize>(bytes));
  CHECK(file.good());
  return read;
}

IOStatus no_space() {
  IOStatus status = IOStatus::NoSpace("no space left on the faulty disk");
  status.SetRetryable(true);  // as RocksDB's own file system has it
  return status;
}

}  // namespace

class FaultyDisk::File final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(FaultyDisk& disk, std::string name, std::unique_ptr<rocksdb::FSWritableFile>&& file)
      : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk), name_(std::move(name)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const std::lock_guard lock(disk_.mutex_);
    return disk_.write_locked(name_, data, disk_.extents_[name_].size, [&](const Slice& part) {
      return FSWritableFileOwnerWrapper::Append(part, options, debug);
    });
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus PositionedAppend(const Slice& data, std::uint64_t offset, const IOOptions& options,
                            IODebugContext* debug) override {
    const std::lock_guard lock(disk_.mutex_);
    return disk_.write_locked(name_, data, offset, [&](const Slice& part) {
      return FSWritableFileOwnerWrapper::PositionedAppend(part, offset, options, debug);
    });
  }
  IOStatus PositionedAppend(const Slice& data, std::uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo&, IODebugContext* debug) override {
    return PositionedAppend(data, offset, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    const std::lock_guard lock(disk_.mutex_);
    if (const IOStatus status = disk_.next_call_locked(); !status.ok()) return status;
    Extent& extent = disk_.extents_[name_];
    extent.size = size;
    extent.synced = std::min(extent.synced, size);
    extent.before.erase(extent.before.lower_bound(size), extent.before.end());
    return FSWritableFileOwnerWrapper::Truncate(size, options, debug);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = disk_.next_call();
    const IOStatus really = FSWritableFileOwnerWrapper::Close(options, debug);
    return status.ok() ? really : status;
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return disk_.next_call(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    if (const IOStatus status = disk_.next_sync_locked(); !status.ok()) return status;
    Extent& extent = disk_.extents_[name_];
    extent.synced = extent.size;
    extent.before.clear();
    return IOStatus::OK();
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override {
    return disk_.next_call();  // promises nothing
  }

 private:
  FaultyDisk& disk_;
  std::string name_;
};

class FaultyDisk::Folder final : public rocksdb::FSDirectoryWrapper {
 public:
  Folder(FaultyDisk& disk, std::string name, std::unique_ptr<rocksdb::FSDirectory>&& folder)
      : FSDirectoryWrapper(std::move(folder)), disk_(disk), name_(std::move(name)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    if (const IOStatus status = disk_.next_sync_locked(); !status.ok()) return status;
    disk_.changes_[name_].clear();
    return IOStatus::OK();
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }

 private:
  FaultyDisk& disk_;
  std::string name_;
};

class FaultyDisk::SequentialFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  SequentialFile(FaultyDisk& disk, std::unique_ptr<rocksdb::FSSequentialFile>&& file)
      : FSSequentialFileOwnerWrapper(std::move(file)), disk_(disk) {}

  IOStatus Read(std::size_t n, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* debug) override {
    if (const IOStatus status = disk_.next_call(); !status.ok()) return status;
    return FSSequentialFileOwnerWrapper::Read(n, options, result, scratch, debug);
  }

 private:
  FaultyDisk& disk_;
};

class FaultyDisk::RandomAccessFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  RandomAccessFile(FaultyDisk& disk, std::unique_ptr<rocksdb::FSRandomAccessFile>&& file)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), disk_(disk) {}

  IOStatus Read(std::uint64_t offset, std::size_t n, const IOOptions& options, Slice* result,
                char* scratch, IODebugContext* debug) const override {
    if (const IOStatus status = disk_.next_call(); !status.ok()) return status;
    return FSRandomAccessFileOwnerWrapper::Read(offset, n, options, result, scratch, debug);
  }

 private:
  FaultyDisk& disk_;
};

FaultyDisk::FaultyDisk() : FileSystemWrapper(FileSystem::Default()) {}

std::size_t FaultyDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::size_t FaultyDisk::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

void FaultyDisk::fail_call(std::size_t nth, IOStatus how) {
  const std::lock_guard lock(mutex_);
  calls_until_failure_ = nth;
  failure_ = std::move(how);
  failure_cuts_power_ = false;
  has_failed_ = false;
}

void FaultyDisk::fail_next_sync(IOStatus how) {
  fail_call(0, std::move(how));
  const std::lock_guard lock(mutex_);
  next_sync_fails_ = true;
}

void FaultyDisk::cut_power_at(std::size_t nth) {
  fail_call(nth, IOStatus::IOError("the faulty disk has no power"));
  const std::lock_guard lock(mutex_);
  failure_cuts_power_ = true;
}

bool FaultyDisk::has_failed() const {
  const std::lock_guard lock(mutex_);
  return has_failed_;
}

void FaultyDisk::set_room(std::optional<std::uint64_t> bytes) {
  const std::lock_guard lock(mutex_);
  room_ = bytes;
}

IOStatus FaultyDisk::next_call() {
  const std::lock_guard lock(mutex_);
  return next_call_locked();
}

IOStatus FaultyDisk::next_call_locked() {
  if (!has_power_) return IOStatus::IOError("the faulty disk has no power");
  ++calls_;
  if (calls_until_failure_ == 0 || --calls_until_failure_ > 0) return IOStatus::OK();
  has_failed_ = true;
  has_power_ = !failure_cuts_power_;
  return failure_;
}

// As on Linux, the sync after one that failed says Ok, and nobody knows what is on the disk.
IOStatus FaultyDisk::next_sync_locked() {
  ++syncs_;
  if (std::exchange(next_sync_fails_, false)) calls_until_failure_ = 1;
  return next_call_locked();
}

std::uint64_t FaultyDisk::size_of(const std::string& name) const {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(name, error);
  return error ? 0 : size;
}

IOStatus FaultyDisk::write_locked(const std::string& name, const Slice& data, std::uint64_t offset,
                                  const std::function<IOStatus(Slice)>& write) {
  IOStatus status = next_call_locked();
  if (!has_power_) return status;
  Extent& extent = extents_[name];
  std::uint64_t written = status.ok() ? data.size() : data.size() / 2;
  const std::uint64_t within = std::min(data.size(), extent.size - std::min(offset, extent.size));
  if (room_ && written > within && *room_ < written - within) {
    written = within + *room_;
    status = no_space();
  }
  const std::uint64_t end = offset + written;
  for (std::uint64_t at = offset - offset % kSectorBytes; at < std::min(end, extent.synced);
       at += kSectorBytes) {
    if (extent.before.contains(at)) continue;
    extent.before[at] = read_at(name, at, std::min(kSectorBytes, extent.synced - at));
  }
  const IOStatus really = write(Slice(data.data(), written));
  if (!really.ok()) return really;
  if (room_ && written > within) *room_ -= written - within;
  extent.size = std::max(extent.size, end);
  return status;
}

// Copies are beside the folder, where RocksDB does not look.
void FaultyDisk::remember_locked(const std::string& name) {
  const std::string folder = folder_of(name);
  Change change{.name = name, .before = {}, .extent = {}};
  if (std::filesystem::exists(name)) {
    change.before = folder + ".before-" + std::to_string(++copies_);
    std::filesystem::copy_file(name, change.before);
    if (const auto extent = extents_.extract(name)) change.extent = extent.mapped();
  }
  changes_[folder].push_back(std::move(change));
}

IOStatus FaultyDisk::NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                       IODebugContext* debug) {
  if (const IOStatus status = next_call(); !status.ok()) return status;
  const IOStatus status = target()->NewSequentialFile(name, options, file, debug);
  if (status.ok()) *file = std::make_unique<SequentialFile>(*this, std::move(*file));
  return status;
}

IOStatus FaultyDisk::NewRandomAccessFile(const std::string& name,
                                         const rocksdb::FileOptions& options,
                                         std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                         IODebugContext* debug) {
  if (const IOStatus status = next_call(); !status.ok()) return status;
  const IOStatus status = target()->NewRandomAccessFile(name, options, file, debug);
  if (status.ok()) *file = std::make_unique<RandomAccessFile>(*this, std::move(*file));
  return status;
}

IOStatus FaultyDisk::NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                     std::unique_ptr<rocksdb::FSWritableFile>* file,
                                     IODebugContext* debug) {
  const std::lock_guard lock(mutex_);
  if (const IOStatus status = next_call_locked(); !status.ok()) return status;
  remember_locked(name);
  const IOStatus status = target()->NewWritableFile(name, options, file, debug);
  if (!status.ok()) return status;
  extents_[name] = {};
  *file = std::make_unique<File>(*this, name, std::move(*file));
  return status;
}

IOStatus FaultyDisk::ReopenWritableFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        IODebugContext* debug) {
  const std::lock_guard lock(mutex_);
  if (const IOStatus status = next_call_locked(); !status.ok()) return status;
  const std::uint64_t size = size_of(name);
  const IOStatus status = target()->ReopenWritableFile(name, options, file, debug);
  if (!status.ok()) return status;
  extents_.try_emplace(name, Extent{size, size});
  *file = std::make_unique<File>(*this, name, std::move(*file));
  return status;
}

IOStatus FaultyDisk::NewDirectory(const std::string& name, const IOOptions& options,
                                  std::unique_ptr<rocksdb::FSDirectory>* folder,
                                  IODebugContext* debug) {
  if (const IOStatus status = next_call(); !status.ok()) return status;
  const IOStatus status = target()->NewDirectory(name, options, folder, debug);
  if (status.ok())
    *folder = std::make_unique<Folder>(*this, normal_folder(name), std::move(*folder));
  return status;
}

IOStatus FaultyDisk::DeleteFile(const std::string& name, const IOOptions& options,
                                IODebugContext* debug) {
  const std::lock_guard lock(mutex_);
  if (const IOStatus status = next_call_locked(); !status.ok()) return status;
  const std::uint64_t size = size_of(name);
  remember_locked(name);
  const IOStatus status = target()->DeleteFile(name, options, debug);
  if (status.ok() && room_) *room_ += size;
  return status;
}

IOStatus FaultyDisk::RenameFile(const std::string& from, const std::string& to,
                                const IOOptions& options, IODebugContext* debug) {
  const std::lock_guard lock(mutex_);
  if (const IOStatus status = next_call_locked(); !status.ok()) return status;
  if (std::filesystem::is_directory(from)) return target()->RenameFile(from, to, options, debug);
  remember_locked(to);
  const Extent extent = extents_[from];
  remember_locked(from);
  const IOStatus status = target()->RenameFile(from, to, options, debug);
  if (status.ok()) extents_[to] = extent;
  return status;
}

void FaultyDisk::cut_power() {
  const std::lock_guard lock(mutex_);
  has_power_ = false;
}

void FaultyDisk::lose_unsynced(const std::string& name, const Extent& extent,
                               const std::function<double()>& kept) {
  for (const auto& [at, bytes] : extent.before) {
    if (kept() < 0.5) write_at(name, at, bytes);
  }
  if (extent.synced >= extent.size) return;
  if (kept() < 0.5) {
    const auto added = static_cast<double>(extent.size - extent.synced);
    const auto left = static_cast<std::uint64_t>(added * std::clamp(kept(), 0.0, 1.0));
    std::filesystem::resize_file(name, extent.synced + left);
    return;
  }
  for (std::uint64_t at = extent.synced; at < extent.size;) {
    const std::uint64_t next = std::min(at - at % kSectorBytes + kSectorBytes, extent.size);
    if (kept() < 0.5) write_at(name, at, std::string(next - at, '\0'));
    at = next;
  }
}

void FaultyDisk::restore_power(const std::function<double()>& kept) {
  const std::lock_guard lock(mutex_);
  CHECK(!has_power_);
  for (const auto& [name, extent] : extents_) {
    if (std::filesystem::exists(name)) lose_unsynced(name, extent, kept);
  }
  extents_.clear();

  for (auto& [folder, changes] : changes_) {
    for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
      if (kept() >= 0.5) continue;
      std::filesystem::remove(change->name);
      if (change->before.empty()) continue;
      std::filesystem::copy_file(change->before, change->name);
      lose_unsynced(change->name, change->extent, kept);
    }
  }
  changes_.clear();
  has_power_ = true;
  calls_until_failure_ = 0;
}

}  // namespace sluice::testing
