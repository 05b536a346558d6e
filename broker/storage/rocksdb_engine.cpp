#include "broker/storage/rocksdb_engine.h"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <utility>

#include "broker/storage/folder_recovery.h"
#include "broker/storage/log_file_system.h"
#include "broker/storage/rocksdb_options.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

constexpr std::size_t kReadAheadBytes = 2 * 1024 * 1024;
constexpr std::array kFamilies = {
    Family::kMeta,   Family::kJobs,     Family::kDead,     Family::kBodies,
    Family::kClaims, Family::kFinished, Family::kOutcomes, Family::kKeys,
};
static_assert(kFamilies.size() == kFamilyCount);
constexpr std::size_t kWalkKeysMin = 8;        // fewer are read one by one
constexpr std::uint64_t kSkippedKeysMax = 32;  // deleted ones, in one step

// What a flush writes at most: all memory tables, and room for what comes meanwhile.
constexpr std::uint64_t kUnflushedBytesMax = 32 * 1024 * 1024;

using Handles = std::array<rocksdb::ColumnFamilyHandle*, kFamilyCount>;

rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

Error to_error(const rocksdb::Status& status, std::string_view doing) {
  const ErrorCode code = status.IsCorruption()                   ? ErrorCode::kCorruption
                         : status.IsNoSpace()                    ? ErrorCode::kDiskFull
                         : status.IsIOError() || status.IsBusy() ? ErrorCode::kUnavailable
                                                                 : ErrorCode::kInternal;
  return Error{code, std::string(doing) + ": " + status.ToString()};
}

// Absent when it cannot be asked: then nothing is linked, to be on the safe side.
std::optional<dev_t> device_of(const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return std::nullopt;
  return about.st_dev;
}

class RocksDbBatch final : public KeyValueBatch {
 public:
  explicit RocksDbBatch(const Handles& handles) : handles_(handles) {}

  void put(Family family, std::string_view key, std::string_view value) override {
    check(batch_.Put(handle(family), slice(key), slice(value)));
  }
  void remove(Family family, std::string_view key) override {
    check(batch_.Delete(handle(family), slice(key)));
  }
  void remove_once(Family family, std::string_view key) override {
    check(batch_.SingleDelete(handle(family), slice(key)));
  }
  void remove_range(Family family, std::string_view begin, std::string_view end) override {
    check(batch_.DeleteRange(handle(family), slice(begin), slice(end)));
  }
  bool empty() const override { return batch_.Count() == 0; }
  std::size_t size_bytes() const override { return batch_.GetDataSize(); }

  // The batch with the mark at its end, in the log alone. (RocksDB stamps a sequence number into
  // it, too.)
  rocksdb::WriteBatch& marked(const LogMark& mark) const {
    check(batch_.PutLogData(encode_mark(mark)));
    return batch_;
  }

 private:
  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return handles_[static_cast<std::size_t>(family)];
  }
  // Filling a batch fails only beyond 4 GiB, far over every limit on requests.
  static void check(const rocksdb::Status& status) { CHECK(status.ok()); }

  const Handles& handles_;
  mutable rocksdb::WriteBatch batch_;
};

class RocksDbCursor final : public KeyValueCursor {
 public:
  RocksDbCursor(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
                const rocksdb::Snapshot* snapshot, std::string_view prefix, std::string_view from,
                ScanKind kind)
      : end_(end_of_prefix(prefix)), end_slice_(end_) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    if (!end_.empty()) options.iterate_upper_bound = &end_slice_;
    if (kind == ScanKind::kEverything) {
      options.readahead_size = kReadAheadBytes;
      options.fill_cache = false;
    }
    iterator_.reset(db.NewIterator(options, family));
    iterator_->Seek(slice(from));
  }

  bool valid() const override { return iterator_->Valid(); }
  std::string_view key() const override { return iterator_->key().ToStringView(); }
  std::string_view value() const override { return iterator_->value().ToStringView(); }
  void next() override { iterator_->Next(); }
  Status status() const override {
    const rocksdb::Status status = iterator_->status();
    if (!status.ok()) return to_error(status, "reading");
    return Ok{};
  }

 private:
  std::string end_;
  rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

// What the engine and its snapshots read with; no snapshot means the latest state.
struct Reads {
  rocksdb::DB& db;
  const Handles& handles;
  const rocksdb::Snapshot* snapshot = nullptr;

  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return handles[static_cast<std::size_t>(family)];
  }
  rocksdb::ReadOptions options() const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    return options;
  }

  Result<std::optional<std::string>> get(Family family, std::string_view key) const {
    std::string value;
    const rocksdb::Status status = db.Get(options(), handle(family), slice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>{};
    if (!status.ok()) return to_error(status, "reading");
    return std::optional<std::string>(std::move(value));
  }

  // Keys of jobs that were enqueued in turn are neighbours: stepping on to the next costs a
  // fraction of finding each.
  Result<std::vector<std::optional<std::string>>> multi_get(
      Family family, std::span<const std::string> keys) const {
    std::vector<std::optional<std::string>> values(keys.size());
    if (keys.size() < kWalkKeysMin) {
      for (std::size_t i = 0; i < keys.size(); ++i) {
        auto value = get(family, keys[i]);
        if (!value) return std::move(value).error();
        values[i] = *std::move(value);
      }
      return values;
    }
    rocksdb::ReadOptions walking = options();
    // What was deleted between two keys is passed over by a search, not by steps.
    walking.max_skippable_internal_keys = kSkippedKeysMax;
    const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator(walking, handle(family)));
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const rocksdb::Slice key = slice(keys[i]);
      if (at->Valid()) at->Next();
      if (!at->Valid() || at->key() != key) at->Seek(key);
      if (at->Valid() && at->key() == key) {
        values[i] = at->value().ToString();
      } else if (!at->Valid() && !at->status().ok()) {
        auto value = get(family, keys[i]);
        if (!value) return std::move(value).error();
        values[i] = *std::move(value);
      }
    }
    return values;
  }

  std::unique_ptr<KeyValueCursor> scan(Family family, std::string_view prefix,
                                       std::string_view from, ScanKind kind) const {
    return std::make_unique<RocksDbCursor>(db, handle(family), snapshot, prefix, from, kind);
  }
};

class RocksDbSnapshot final : public KeyValueReader {
 public:
  RocksDbSnapshot(rocksdb::DB& db, const Handles& handles)
      : snapshot_(&db), reads_{db, handles, snapshot_.snapshot()} {}

  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    return reads_.get(family, key);
  }
  Result<std::vector<std::optional<std::string>>> multi_get(
      Family family, std::span<const std::string> keys) const override {
    return reads_.multi_get(family, keys);
  }
  std::unique_ptr<KeyValueCursor> scan(Family family, std::string_view prefix,
                                       std::string_view from, ScanKind kind) const override {
    return reads_.scan(family, prefix, from, kind);
  }

 private:
  rocksdb::ManagedSnapshot snapshot_;
  Reads reads_;
};

class RocksDbEngine final : public KeyValueEngine {
 public:
  // `log` and `env`: what `db` was opened with. `handles`: ours first, in the order of Family,
  // then those of families we do not know.
  RocksDbEngine(std::string path, std::shared_ptr<LogProgress> log,
                std::unique_ptr<rocksdb::Env> env, std::unique_ptr<rocksdb::DB> db,
                std::vector<rocksdb::ColumnFamilyHandle*> handles)
      : path_(std::move(path)),
        log_(std::move(log)),
        env_(std::move(env)),
        db_(std::move(db)),
        all_handles_(std::move(handles)) {
    std::copy_n(all_handles_.begin(), kFamilyCount, handles_.begin());
  }

  ~RocksDbEngine() override {
    // The second of two empty batches says by its mark that all is on disk: so damage is seen in
    // the last batch that is not empty, too.
    if (write(RocksDbBatch(handles_), /*sync=*/true)) {
      (void)write(RocksDbBatch(handles_), /*sync=*/false);
    }
    for (rocksdb::ColumnFamilyHandle* handle : all_handles_) {
      CHECK(db_->DestroyColumnFamilyHandle(handle).ok());
    }
    // Nothing is left to be done, and an error here changes nothing for anybody.
    db_->Close().PermitUncheckedError();
  }

  std::unique_ptr<KeyValueBatch> new_batch() const override {
    return std::make_unique<RocksDbBatch>(handles_);
  }

  Status write(const KeyValueBatch& batch, bool sync) override {
    const auto* ours = dynamic_cast<const RocksDbBatch*>(&batch);
    CHECK(ours != nullptr);
    rocksdb::WriteOptions options;
    options.sync = sync;
    const rocksdb::Status status = db_->Write(options, &ours->marked(log_->begin_batch()));
    if (!status.ok()) return to_error(status, "writing to " + path_);
    return Ok{};
  }

  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    return reads().get(family, key);
  }
  Result<std::vector<std::optional<std::string>>> multi_get(
      Family family, std::span<const std::string> keys) const override {
    return reads().multi_get(family, keys);
  }
  std::unique_ptr<KeyValueCursor> scan(Family family, std::string_view prefix,
                                       std::string_view from, ScanKind kind) const override {
    return reads().scan(family, prefix, from, kind);
  }

  std::unique_ptr<KeyValueReader> snapshot() const override {
    return std::make_unique<RocksDbSnapshot>(*db_, handles_);
  }

  // A file system that cannot be asked is not known to be full; a write will tell.
  std::uint64_t free_bytes() const override {
    std::error_code error;
    const std::filesystem::space_info space = std::filesystem::space(path_, error);
    return error ? std::numeric_limits<std::uint64_t>::max() : space.available;
  }

  // Flushes first, so that all of it but what is written meanwhile stands in tables with checksums.
  Status checkpoint(const std::string& path) override {
    rocksdb::Checkpoint* made = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    if (status.ok()) status = checkpoint->CreateCheckpoint(path, /*log_size_for_flush=*/0);
    if (!status.ok()) return to_error(status, "copying the store to " + path);
    return Ok{};
  }

  std::uint64_t checkpoint_bytes_max(const std::string& folder) const override {
    const auto device = device_of(folder);
    const bool links = device && device == device_of(path_);
    std::uint64_t bytes = kUnflushedBytesMax;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
      if (links && entry.path().extension() == ".sst") continue;
      const std::uintmax_t size = entry.is_regular_file(error) ? entry.file_size(error) : 0;
      if (!error) bytes += size;
    }
    return bytes;
  }

 private:
  Reads reads() const { return {*db_, handles_}; }

  std::string path_;
  std::shared_ptr<LogProgress> log_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> all_handles_;
  Handles handles_{};
};

// The families to open: ours, and others that a newer version made, which must be opened too for
// the schema check to have its say.
Result<std::vector<rocksdb::ColumnFamilyDescriptor>> families_of(
    const std::string& path, const rocksdb::DBOptions& options, const Clock& clock,
    const std::shared_ptr<rocksdb::Cache>& cache) {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const Family family : kFamilies) {
    families.emplace_back(std::string(family_name(family)), family_options(family, cache, clock));
  }
  std::error_code error;
  if (!std::filesystem::exists(path + "/CURRENT", error)) return families;

  std::vector<std::string> names;
  const rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options, path, &names);
  if (!status.ok()) return to_error(status, "opening " + path);
  for (const std::string& name : names) {
    const auto known = [&name](const auto& family) { return family.name == name; };
    if (std::none_of(families.begin(), families.end(), known)) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions{});
    }
  }
  return families;
}

// Makes the folder and its entry in the one above; RocksDB syncs only what is inside.
Status make_folder(const std::string& path) {
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(path, error);
  if (error) {
    return Error{ErrorCode::kUnavailable,
                 "cannot make the folder " + path + ": " + error.message()};
  }
  if (!is_new) return Ok{};
  const std::string parent = (std::filesystem::path(path) / "..").string();
  const int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool is_synced = folder >= 0 && ::fsync(folder) == 0;
  if (folder >= 0) ::close(folder);
  if (!is_synced) return Error{ErrorCode::kUnavailable, "cannot sync the folder " + parent};
  return Ok{};
}

// RocksDB has no code of its own for a lock that is held.
bool is_lock_held(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return status.IsIOError() && (text.find("While lock file") != std::string::npos ||
                                text.find("lock hold by current process") != std::string::npos);
}

Error open_error(const rocksdb::Status& status, const std::string& path) {
  if (!is_lock_held(status)) return to_error(status, "opening " + path);
  return {ErrorCode::kUnavailable, "the data folder " + path + " is in use by another process"};
}

// Sees to what a crash left, under the lock that RocksDB takes, too.
Status prepare_folder(const std::string& path, const RocksDbOptions& options, rocksdb::Env& env) {
  std::error_code error;
  const std::filesystem::path mark = std::filesystem::path(path) / kRestoringMark;
  if (!options.is_restoring && std::filesystem::exists(mark, error)) {
    return Error{ErrorCode::kCorruption,
                 "the restore into " + path + " was cut off: empty the folder and restore again"};
  }
  rocksdb::FileLock* lock = nullptr;
  const rocksdb::Status locked = env.LockFile(path + "/LOCK", &lock);
  if (!locked.ok()) return open_error(locked, path);
  Status done =
      recover_folder(path, options.is_restoring ? LogRule::kOptional : LogRule::kRequired);
  const rocksdb::Status unlocked = env.UnlockFile(lock);
  if (done && !unlocked.ok()) return to_error(unlocked, "opening " + path);
  return done;
}

}  // namespace

Result<std::unique_ptr<KeyValueEngine>> open_rocksdb(const std::string& path,
                                                     const RocksDbOptions& options) {
  if (Status status = make_folder(path); !status) return std::move(status).error();
  auto log = std::make_shared<LogProgress>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(make_log_file_system(
      options.file_system != nullptr ? options.file_system : rocksdb::FileSystem::Default(), path,
      log));
  if (Status status = prepare_folder(path, options, *env); !status) {
    return std::move(status).error();
  }

  const std::shared_ptr<rocksdb::Cache> cache = make_cache();
  rocksdb::DBOptions database = database_options(cache);
  database.env = env.get();
  auto families = families_of(path, database, options.clock, cache);
  if (!families) return std::move(families).error();

  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status status = rocksdb::DB::Open(database, path, *families, &handles, &db);
  if (!status.ok()) return open_error(status, path);
  auto engine = std::make_unique<RocksDbEngine>(
      path, std::move(log), std::move(env), std::unique_ptr<rocksdb::DB>(db), std::move(handles));
  if (options.is_restoring) {
    const rocksdb::Status whole = db->VerifyChecksum();
    if (!whole.ok()) return to_error(whole, "checking " + path);
  }
  return std::unique_ptr<KeyValueEngine>(std::move(engine));
}

}  // namespace sluice::broker
