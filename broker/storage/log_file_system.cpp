#include "broker/storage/log_file_system.h"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <utility>

namespace sluice::broker {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::size_t kAheadBytes = 512 * 1024;
// A write that is larger is mostly data anyway: it grows the file by itself.
constexpr std::size_t kSmallWriteBytes = kAheadBytes / 4;

const std::string& zeros() {
  static const std::string bytes(kAheadBytes, '\0');
  return bytes;
}

class Log final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  Log(std::shared_ptr<LogProgress> progress, std::string path, std::uint64_t number,
      std::unique_ptr<rocksdb::FSWritableFile>&& file)
      : FSWritableFileOwnerWrapper(std::move(file)),
        progress_(std::move(progress)),
        path_(std::move(path)),
        number_(number) {
    progress_->opened(path_);
  }
  ~Log() override { progress_->closed(path_); }

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const std::uint64_t end = size_ + data.size();
    if (end > filled_ && data.size() <= kSmallWriteBytes) {
      const IOStatus status = target()->PositionedAppend(zeros(), filled_, options, debug);
      if (status.ok()) filled_ += zeros().size();
      if (!status.ok() && !status.IsNoSpace()) return status;  // the data may still have room
    }
    const IOStatus status = target()->PositionedAppend(data, size_, options, debug);
    if (!status.ok()) return status;
    size_ = end;
    filled_ = std::max(filled_, end);
    progress_->wrote(path_, {number_, end});
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const LogPosition end{number_, size_};
    const IOStatus status = target()->Sync(options, debug);
    if (status.ok()) progress_->synced(end);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus cut =
        filled_ > size_ ? target()->Truncate(size_, options, debug) : IOStatus::OK();
    const IOStatus closed = target()->Close(options, debug);
    progress_->closed(path_);
    return cut.ok() ? closed : cut;
  }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

  // What was written ahead needs no other allocation.
  void PrepareWrite(std::size_t, std::size_t, const IOOptions&, IODebugContext*) override {}
  IOStatus Allocate(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }

 private:
  std::shared_ptr<LogProgress> progress_;
  std::string path_;
  std::uint64_t number_;
  std::atomic<std::uint64_t> size_ = 0;  // a checkpoint syncs while a batch is written
  std::uint64_t filled_ = 0;
};

class Manifest final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;

  // RocksDB hands over a record at a time, or less.
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = target()->Append(data, options, debug);
    return status.ok() ? target()->Sync(options, debug) : status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
};

class LogFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  LogFileSystem(std::shared_ptr<rocksdb::FileSystem> below, const std::string& folder,
                std::shared_ptr<LogProgress> progress)
      : FileSystemWrapper(std::move(below)),
        folder_(normal(folder)),
        progress_(std::move(progress)) {}
  const char* Name() const override { return "LogFileSystem"; }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    const IOStatus status = target()->NewWritableFile(path, options, file, debug);
    if (!status.ok() || !is_ours(path)) return status;
    if (const auto number = log_number(path)) {
      *file = std::make_unique<Log>(progress_, path, *number, std::move(*file));
    } else if (std::filesystem::path(path).filename().string().starts_with("MANIFEST-")) {
      *file = std::make_unique<Manifest>(std::move(*file));
    }
    return status;
  }
  // A checkpoint copies as much of an open log.
  IOStatus GetFileSize(const std::string& path, const IOOptions& options, std::uint64_t* bytes,
                       IODebugContext* debug) override {
    if (const auto size = progress_->size_of(path)) {
      *bytes = *size;
      return IOStatus::OK();
    }
    return target()->GetFileSize(path, options, bytes, debug);
  }
  // A checkpoint may share a log that is written no more, but an open one it copies.
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                    IODebugContext* debug) override {
    if (progress_->size_of(from)) return IOStatus::NotSupported("the log is open");
    return target()->LinkFile(from, to, options, debug);
  }
  // Syncs the folder before CURRENT names a new manifest; RocksDB does so afterwards, when a power
  // cut may already have kept the one and lost the other.
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
    if (const std::filesystem::path file(to); is_ours(to) && file.filename() == "CURRENT") {
      std::unique_ptr<rocksdb::FSDirectory> folder;
      IOStatus status =
          target()->NewDirectory(file.parent_path().string(), options, &folder, debug);
      if (status.ok()) status = folder->Fsync(options, debug);
      if (!status.ok()) return status;
    }
    return target()->RenameFile(from, to, options, debug);
  }

 private:
  static std::filesystem::path normal(const std::string& folder) {
    return (std::filesystem::path(folder) / "").lexically_normal();
  }
  bool is_ours(const std::string& path) const {
    return normal(std::filesystem::path(path).parent_path().string()) == folder_;
  }

  std::filesystem::path folder_;
  std::shared_ptr<LogProgress> progress_;
};

}  // namespace

LogMark LogProgress::begin_batch() {
  const std::lock_guard lock(mutex_);
  const bool is_within_last = synced_ > batch_begin_ && synced_ < written_;
  if (is_within_last) synced_ = batch_begin_;
  batch_begin_ = written_;
  return {.synced = synced_, .written = written_};
}

std::optional<std::uint64_t> LogProgress::size_of(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto log = open_logs_.find(path);
  return log == open_logs_.end() ? std::nullopt : std::optional(log->second);
}

void LogProgress::opened(const std::string& path) {
  const std::lock_guard lock(mutex_);
  open_logs_[path] = 0;
}

void LogProgress::wrote(const std::string& path, LogPosition end) {
  const std::lock_guard lock(mutex_);
  open_logs_[path] = end.offset;
  written_ = end;
}

void LogProgress::synced(LogPosition end) {
  const std::lock_guard lock(mutex_);
  synced_ = std::max(synced_, end);
}

void LogProgress::closed(const std::string& path) {
  const std::lock_guard lock(mutex_);
  open_logs_.erase(path);
}

std::shared_ptr<rocksdb::FileSystem> make_log_file_system(
    std::shared_ptr<rocksdb::FileSystem> below, const std::string& folder,
    std::shared_ptr<LogProgress> progress) {
  return std::make_shared<LogFileSystem>(std::move(below), folder, std::move(progress));
}

std::optional<std::uint64_t> log_number(const std::string& path) {
  const std::filesystem::path file(path);
  if (file.extension() != ".log") return std::nullopt;
  const std::string stem = file.stem().string();
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), number);
  const bool is_number = error == std::errc{} && end == stem.data() + stem.size();
  return is_number ? std::optional(number) : std::nullopt;
}

}  // namespace sluice::broker
