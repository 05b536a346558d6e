#include "broker/storage/rocksdb_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <utility>

#include "broker/storage/record_codec.h"

namespace sluice::broker {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

// Memory tables are charged to the cache, so this is all RocksDB holds.
constexpr std::size_t kCacheBytes = 24 * kMiB;
constexpr std::size_t kMemoryTablesBytes = 16 * kMiB;
// Small tables are flushed in a few tens of milliseconds; 64 MiB ones stalled commits for 72 ms.
constexpr std::size_t kHotTableBytes = 8 * kMiB;
constexpr std::size_t kColdTableBytes = 2 * kMiB;
// Bounds the log, and with it the time a restart takes to replay it.
constexpr std::uint64_t kLogBytesMax = 64 * kMiB;
// Table files are written out as they grow, so that a log sync never waits for all of one.
constexpr std::uint64_t kSyncEveryBytes = 1 * kMiB;
constexpr std::size_t kBlockBytes = 8 * 1024;
constexpr int kOpenFilesMax = 256;
// Keys ascend, so files sink without being rewritten, and expired records would stay in them for
// ever: a file this old is compacted whatever its level.
constexpr std::uint64_t kFinishedRewriteSeconds = 2 * 3600;
constexpr std::uint64_t kKeysRewriteSeconds = 12 * 3600;

using ExpiryOf = std::optional<TimePoint> (*)(std::string_view value);

class ExpiryFilter final : public rocksdb::CompactionFilter {
 public:
  ExpiryFilter(ExpiryOf expiry_of, TimePoint now) : expiry_of_(expiry_of), now_(now) {}

  bool Filter(int, const rocksdb::Slice&, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    const std::optional<TimePoint> expires_at = expiry_of_(value.ToStringView());
    return expires_at && *expires_at <= now_;
  }
  const char* Name() const override { return "sluice.expiry"; }

 private:
  ExpiryOf expiry_of_;
  TimePoint now_;
};

class ExpiryFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  ExpiryFilterFactory(ExpiryOf expiry_of, const Clock& clock)
      : expiry_of_(expiry_of), clock_(clock) {}

  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<ExpiryFilter>(expiry_of_, clock_.now().wall);
  }
  const char* Name() const override { return "sluice.expiry"; }

 private:
  ExpiryOf expiry_of_;
  const Clock& clock_;
};

bool is_hot(Family family) {
  return family == Family::kJobs || family == Family::kBodies || family == Family::kClaims ||
         family == Family::kFinished;
}

// Asked for keys that mostly are not there.
bool is_probed(Family family) {
  return family == Family::kKeys || family == Family::kFinished;
}

}  // namespace

std::string_view family_name(Family family) {
  switch (family) {
    case Family::kMeta:
      return "default";
    case Family::kJobs:
      return "jobs";
    case Family::kDead:
      return "dead";
    case Family::kBodies:
      return "bodies";
    case Family::kClaims:
      return "claims";
    case Family::kFinished:
      return "finished";
    case Family::kOutcomes:
      return "outcomes";
    case Family::kKeys:
      return "keys";
  }
  return {};
}

std::shared_ptr<rocksdb::Cache> make_cache() {
  return rocksdb::NewLRUCache(kCacheBytes, /*num_shard_bits=*/2);
}

rocksdb::DBOptions database_options(std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;

  // Damage stops the start. The default mode opened happily with half the jobs after one flipped
  // bit.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  options.recycle_log_file_num = 0;
  options.paranoid_checks = true;
  options.max_bgerror_resume_count = 0;  // a disk that failed is not tried again

  options.max_total_wal_size = kLogBytesMax;
  options.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(kMemoryTablesBytes, std::move(cache));
  options.atomic_flush = false;  // families share one log, which keeps batches whole
  options.allow_concurrent_memtable_write = false;  // one thread commits
  options.max_background_jobs = 2;
  options.bytes_per_sync = kSyncEveryBytes;
  options.max_open_files = kOpenFilesMax;
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;

  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = kMiB;
  options.keep_log_file_num = 3;
  options.max_manifest_file_size = 16 * kMiB;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(Family family, std::shared_ptr<rocksdb::Cache> cache,
                                            const Clock& clock) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.block_size = kBlockBytes;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = false;
  if (is_probed(family)) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));

  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = is_hot(family) ? kHotTableBytes : kColdTableBytes;
  options.max_write_buffer_number = 4;
  options.target_file_size_base = 16 * kMiB;
  options.max_bytes_for_level_base = 64 * kMiB;
  // Most of what is flushed is deleted soon: what is compacted later is less. Ids ascend, so that a
  // lookup still looks into one or two of the files.
  options.level0_file_num_compaction_trigger = 8;
  options.level0_slowdown_writes_trigger = 40;
  options.level0_stop_writes_trigger = 80;

  if (family == Family::kFinished) {
    options.compaction_filter_factory =
        std::make_shared<ExpiryFilterFactory>(finished_expiry, clock);
    options.periodic_compaction_seconds = kFinishedRewriteSeconds;
  } else if (family == Family::kKeys) {
    options.compaction_filter_factory = std::make_shared<ExpiryFilterFactory>(key_expiry, clock);
    options.periodic_compaction_seconds = kKeysRewriteSeconds;
  }
  return options;
}

}  // namespace sluice::broker
