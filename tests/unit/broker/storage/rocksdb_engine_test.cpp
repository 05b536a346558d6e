// What only a real disk shows: restarts, damage, locks, expiry.
#include "broker/storage/rocksdb_engine.h"

#include <rocksdb/db.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "broker/storage/log_scan.h"
#include "broker/storage/record_codec.h"
#include "broker/storage/rocksdb_options.h"
#include "broker/storage/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_folder.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr int kBatches = 50;

class RocksDbEngineTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_.path() / "data"; }

  Result<std::unique_ptr<KeyValueEngine>> open() { return open_rocksdb(path(), {clock_}); }

  // Runs `body` on an engine in a process that ends without closing it, as kill -9 does.
  template <typename Body>
  void in_killed_process(Body body) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto engine = open();
      ::_exit(engine && body(**engine) ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }

  void write_batches_and_die() {
    in_killed_process([](KeyValueEngine& engine) {
      for (int i = 0; i < kBatches; ++i) {
        const auto batch = engine.new_batch();
        batch->put(Family::kJobs, key(i), std::string(100, 'x'));
        if (!engine.write(*batch, /*sync=*/i % 2 == 0)) return false;
      }
      return true;
    });
  }

  static std::string key(int i) { return "key" + std::to_string(1'000 + i); }

  // How many of the batches are there; absent when the folder cannot be opened.
  std::optional<int> batches_found() {
    auto engine = open();
    if (!engine) return std::nullopt;
    int found = 0;
    for (int i = 0; i < kBatches; ++i) found += (*engine)->get(Family::kJobs, key(i))->has_value();
    return found;
  }

  std::filesystem::path log_file() const {
    std::filesystem::path last;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      if (entry.path().extension() == ".log" && entry.path() > last) last = entry.path();
    }
    return last;
  }

  static std::string read(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // The records of the log, without the zeros that were written ahead of them.
  static std::string records(const std::filesystem::path& log) {
    std::ifstream in(log, std::ios::binary);
    return read(log).substr(0, scan_log(in, 0).whole_bytes);
  }
  static void overwrite(const std::filesystem::path& file, const std::string& bytes) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }

  testing::TemporaryFolder folder_;
  testing::ManualClock clock_;
};

// SURVIVAL 20
TEST_F(RocksDbEngineTest, KilledProcessLosesNoWrittenBatch) {
  write_batches_and_die();

  EXPECT_EQ(batches_found(), kBatches);
}

// SURVIVAL 20: the last record may be torn, and only the last.
TEST_F(RocksDbEngineTest, TornLastRecordIsTolerated) {
  write_batches_and_die();
  const std::filesystem::path log = log_file();
  const std::string whole = records(log);

  std::filesystem::resize_file(log, whole.size() - 5);

  EXPECT_EQ(batches_found(), kBatches - 1);
}

// SURVIVAL 20: a power cut may also leave zeros, or the old bytes, where the last batch should be.
TEST_F(RocksDbEngineTest, HolesInTheLastRecordAreTolerated) {
  for (const std::size_t from_end : {5, 60, 100}) {
    SCOPED_TRACE(from_end);
    std::filesystem::remove_all(path());
    write_batches_and_die();
    const std::filesystem::path log = log_file();
    std::string bytes = read(log);
    const std::size_t end = records(log).size();
    ASSERT_GT(bytes.size(), end);  // there are zeros ahead

    bytes.replace(end - from_end, 4, 4, '\0');
    overwrite(log, bytes);

    EXPECT_EQ(batches_found(), kBatches - 1);
    EXPECT_EQ(batches_found(), kBatches - 1);
  }
}

// Damage in the last batch is seen as well where the store was closed.
TEST_F(RocksDbEngineTest, FlippedBitInTheLastBatchOfAClosedStoreIsRefused) {
  {
    auto engine = open();
    ASSERT_TRUE(engine);
    const auto batch = (*engine)->new_batch();
    batch->put(Family::kJobs, key(1), std::string(100, 'x'));
    ASSERT_TRUE((*engine)->write(*batch, /*sync=*/false));
  }
  std::string bytes = read(log_file());
  const std::size_t place = bytes.find("xxxx");
  ASSERT_NE(place, std::string::npos);
  bytes[place] = 'y';
  overwrite(log_file(), bytes);

  const auto engine = open();

  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kCorruption) << engine.error().message;
}

// The zeros are not in the way of anybody who copies a log file.
TEST_F(RocksDbEngineTest, ClosedLogHasNoZerosAhead) {
  write_batches_and_die();
  EXPECT_EQ(batches_found(), kBatches);

  EXPECT_EQ(read(log_file()), records(log_file()));
}

// SURVIVAL 20: wherever the bit is, and also in a record's length.
TEST_F(RocksDbEngineTest, FlippedBitInTheLogIsRefused) {
  write_batches_and_die();
  const std::filesystem::path log = log_file();
  const std::string good = records(log);
  const std::size_t last_record = good.size() - good.size() / kBatches - 20;

  for (std::size_t byte = 0; byte < last_record; byte += 61) {
    SCOPED_TRACE(byte);
    std::string bad = good;
    bad[byte] = static_cast<char>(bad[byte] ^ (1 << (byte % 8)));
    overwrite(log, bad);

    const auto engine = open();

    ASSERT_FALSE(engine);
    EXPECT_EQ(engine.error().code, ErrorCode::kCorruption) << engine.error().message;
  }
  overwrite(log, good);
  EXPECT_EQ(batches_found(), kBatches);
}

TEST_F(RocksDbEngineTest, MissingLogIsRefused) {
  write_batches_and_die();
  ASSERT_EQ(batches_found(), kBatches);  // and moved from the log into a table
  std::filesystem::remove(log_file());

  const auto engine = open();

  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kCorruption) << engine.error().message;
}

TEST_F(RocksDbEngineTest, MissingCurrentFileIsNotAnEmptyStore) {
  write_batches_and_die();
  std::filesystem::remove(path() + "/CURRENT");

  const auto engine = open();

  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kCorruption);
}

TEST_F(RocksDbEngineTest, SecondOpenIsRefusedWhileTheFirstLives) {
  auto first = open();
  ASSERT_TRUE(first);

  const auto second = open();

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message, HasSubstr("is in use by another process"));
  first->reset();
  EXPECT_TRUE(open());
}

TEST_F(RocksDbEngineTest, AnotherProcessIsRefusedToo) {
  // Forked before RocksDB has threads: a lock one of them holds would stay locked in the child.
  std::array<int, 2> opened{};
  ASSERT_EQ(::pipe(opened.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char is_open = 0;
    if (::read(opened[0], &is_open, 1) != 1) ::_exit(2);
    const auto second = open();
    ::_exit(!second && second.error().code == ErrorCode::kUnavailable ? 0 : 1);
  }
  const auto first = open();
  EXPECT_TRUE(first);
  EXPECT_EQ(::write(opened[1], "!", 1), 1);

  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ::close(opened[0]);
  ::close(opened[1]);
}

TEST_F(RocksDbEngineTest, FolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_.path() / "file") << "in the way";

  const auto engine = open_rocksdb(folder_.path() / "file" / "data", {clock_});

  ASSERT_FALSE(engine);
  EXPECT_THAT(engine.error().message, HasSubstr("cannot make the folder"));
}

TEST_F(RocksDbEngineTest, NewerVersionWithMoreFamiliesIsRefusedBySchema) {
  ASSERT_TRUE(Store::open(std::move(*open())));
  {
    rocksdb::DB* raw = nullptr;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path(), &names).ok());
    for (const std::string& name : names)
      families.emplace_back(name, rocksdb::ColumnFamilyOptions{});
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    ASSERT_TRUE(rocksdb::DB::Open({}, path(), families, &handles, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    handles.emplace_back();
    ASSERT_TRUE(db->CreateColumnFamily({}, "tenants", &handles.back()).ok());
    std::string version;
    encode_number(7, version);
    ASSERT_TRUE(db->Put({}, rocksdb::Slice(kSchemaKey.data(), kSchemaKey.size()), version).ok());
    for (auto* handle : handles) ASSERT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
  }

  auto engine = open();
  ASSERT_TRUE(engine);
  const auto store = Store::open(std::move(*engine));

  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message, HasSubstr("schema 7, this one knows 1"));
}

// The families as RocksDB sees them, for compacting at will.
class ExpiryTest : public RocksDbEngineTest {
 protected:
  // How many records of the family are left after a compaction at `now`.
  int left_after_compaction(Family family) {
    const auto cache = make_cache();
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (std::size_t i = 0; i < kFamilyCount; ++i) {
      const auto each = static_cast<Family>(i);
      families.emplace_back(std::string(family_name(each)), family_options(each, cache, clock_));
    }
    rocksdb::DB* raw = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    CHECK(rocksdb::DB::Open(database_options(cache), path(), families, &handles, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    rocksdb::ColumnFamilyHandle* handle = handles[static_cast<std::size_t>(family)];
    CHECK(db->CompactRange({}, handle, nullptr, nullptr).ok());
    int left = 0;
    {
      const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}, handle));
      for (it->SeekToFirst(); it->Valid(); it->Next()) ++left;
    }
    for (auto* each : handles) CHECK(db->DestroyColumnFamilyHandle(each).ok());
    return left;
  }
};

TEST_F(ExpiryTest, CompactionDropsWhatExpiredAndNothingElse) {
  const TimePoint now = clock_.now().wall;
  {
    auto store = Store::open(std::move(*open()));
    ASSERT_TRUE(store);
    const auto batch = (*store)->begin_batch();
    RecordSink& sink = batch->sink();
    sink.put_finished({.id = {0, 1}, .expires_at = now + 10s});
    sink.put_finished({.id = {0, 2}, .expires_at = now + 20s});
    sink.put_outcome({.id = {0, 1}, .expires_at = now + 10s});
    sink.put_key({.key = {1}, .expires_at = now + 10s});
    sink.put_key({.key = {2}, .expires_at = now + 20s});
    sink.put_key({.key = {3}});
    ASSERT_TRUE((*store)->commit(*batch, true));
  }

  clock_.advance(10s);

  EXPECT_EQ(left_after_compaction(Family::kFinished), 1);
  EXPECT_EQ(left_after_compaction(Family::kKeys), 2);
  EXPECT_EQ(left_after_compaction(Family::kOutcomes), 1);
}

TEST_F(RocksDbEngineTest, StoreWorksOnDiskAcrossKills) {
  for (int boot = 1; boot <= 3; ++boot) {
    in_killed_process([this, boot](KeyValueEngine&) { return boot > 0; });
    auto store = Store::open(std::move(*open()));
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->boot(), static_cast<std::uint32_t>(boot));
    const JobId id{1, static_cast<std::uint64_t>(boot)};
    const auto batch = (*store)->begin_batch();
    batch->sink().put_body(QueueNumber{1}, id, "", "payload");
    ASSERT_TRUE((*store)->commit(*batch, true));
    const auto drop = (*store)->begin_batch();
    if (boot > 1) drop->sink().drop_body(QueueNumber{1}, JobId{1, id.lo - 1});
    ASSERT_TRUE((*store)->commit(*drop, false));

    const auto bodies = (*store)->bodies(QueueNumber{1}, std::vector{id, JobId{1, id.lo - 1}});
    ASSERT_TRUE(bodies);
    EXPECT_TRUE((*bodies)[0]);
    EXPECT_FALSE((*bodies)[1]);
  }
}

}  // namespace
}  // namespace sluice::broker
