// RocksDB on a disk that loses power, fails and fills up: what was acknowledged is there
// afterwards.
#include <cstdlib>
#include <filesystem>
#include <random>

#include "broker/storage/rocksdb_engine.h"
#include "common/base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/disk/faulty_disk.h"
#include "tests/support/folder_copy.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/broker/storage/storage_ledger.h"

namespace sluice::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kSmallBodyBytes = 200;
// Fills a memory table in a few batches, so that tables are flushed while batches are written.
constexpr std::size_t kLargeBodyBytes = kMiB;

// What RocksDB reads at a start; the rest of the folder is for people.
bool is_data(const std::string& name) {
  return name.ends_with(".sst") || name.ends_with(".log") || name.starts_with("MANIFEST") ||
         name == "CURRENT";
}

bool wants_all_faults() {
  const char* wanted = std::getenv("SLUICE_DISK_FAULTS");
  return wanted != nullptr && std::string_view(wanted) == "all";
}

double lose_everything() {
  return 0;
}

class RocksDbFaultsTest : public ::testing::Test {
 protected:
  // One life of the broker's store after another, in a folder of its own.
  struct Machine {
    explicit Machine(std::size_t body_bytes) : ledger(body_bytes) {}

    Result<std::unique_ptr<KeyValueEngine>> open() { return open_rocksdb(path(), {clock, disk}); }
    std::string path() const { return folder.path() / "data"; }

    // Opens, writes, and makes a checkpoint halfway; ends at the first error, as the broker does.
    // Whether there was none.
    bool live(int batches) {
      auto engine = open();
      if (!engine) return false;
      const std::string copy = folder.path() / "copy";
      for (int i = 0; i < batches; ++i) {
        if (i == batches / 2 && !(*engine)->checkpoint(copy)) return false;
        if (!ledger.write_next(**engine)) return false;
      }
      std::filesystem::remove_all(copy);
      return true;
    }
    // Each start makes tables of what the log has, and the fifth compacts those.
    bool live_often(int lives, int batches) {
      for (int i = 0; i < lives; ++i) {
        if (!live(batches)) return false;
      }
      return true;
    }
    // Starts again on a sound disk: everything up to `at_least` is there, in whole batches, and the
    // store can be written to as before.
    void expect_recovery(std::size_t at_least) {
      for (int start = 0; start < 2; ++start) {
        auto engine = open();
        ASSERT_TRUE(engine) << engine.error().message;
        const auto content = read_everything(**engine);
        ASSERT_TRUE(content) << content.error().message;
        const auto batch = ledger.batch_of(*content);
        ASSERT_TRUE(batch) << "not the state after any batch";
        ASSERT_GE(*batch, at_least);
        ledger.go_on_from(*batch);
        ASSERT_TRUE(ledger.write_next(**engine));
        ASSERT_TRUE(ledger.write_next(**engine));
        at_least = ledger.written();
      }
    }

    testing::TemporaryFolder folder;
    testing::ManualClock clock;
    std::shared_ptr<testing::FaultyDisk> disk = std::make_shared<testing::FaultyDisk>();
    StorageLedger ledger;
  };

  static bool five_lives(Machine& machine) { return machine.live_often(5, 4); }

  // Which of the calls of five lives to fail: some of them, spread, beginning with `first`; each
  // one with SLUICE_DISK_FAULTS=all, which takes long.
  static std::vector<std::size_t> calls_to_fail(std::size_t first,
                                                std::size_t body_bytes = kSmallBodyBytes) {
    Machine machine(body_bytes);
    CHECK(five_lives(machine));
    const std::size_t step = wants_all_faults() ? 1 : machine.disk->calls() / 45;
    std::vector<std::size_t> calls;
    for (std::size_t nth = first; nth <= machine.disk->calls(); nth += step) calls.push_back(nth);
    return calls;
  }
};

// SURVIVAL 20
TEST_F(RocksDbFaultsTest, PowerCutAfterAnyBatchLosesNothingSynced) {
  for (int batches = 0; batches <= 14; batches += 2) {
    SCOPED_TRACE(batches);
    Machine machine(batches % 4 == 0 ? kSmallBodyBytes : kLargeBodyBytes);
    {
      auto engine = machine.open();
      ASSERT_TRUE(engine);
      for (int i = 0; i < batches; ++i) ASSERT_TRUE(machine.ledger.write_next(**engine));
      machine.disk->cut_power();
    }
    machine.disk->restore_power(lose_everything);

    machine.expect_recovery(machine.ledger.synced());
  }
}

// SURVIVAL 20: in the middle of a write, a start, a flush or a compaction. Some of what was not
// synced survives, in no order, and the last write is torn.
TEST_F(RocksDbFaultsTest, PowerCutAtAnyCallLosesNothingSynced) {
  std::mt19937_64 random(17);
  std::uniform_real_distribution<double> fraction(0, 1);

  for (const std::size_t body_bytes : {kSmallBodyBytes, kLargeBodyBytes}) {
    for (const std::size_t nth : calls_to_fail(1, body_bytes)) {
      SCOPED_TRACE(std::to_string(body_bytes) + " at " + std::to_string(nth));
      Machine machine(body_bytes);
      machine.disk->cut_power_at(nth);
      five_lives(machine);
      machine.disk->cut_power();
      machine.disk->restore_power([&] { return fraction(random); });

      machine.expect_recovery(machine.ledger.synced());
      if (HasFatalFailure()) return;
    }
  }
}

// SURVIVAL 21: the call that fails is any one, only that one, and what follows it would succeed.
TEST_F(RocksDbFaultsTest, AnyCallThatFailsLosesNothingSynced) {
  for (const std::size_t nth : calls_to_fail(2)) {
    SCOPED_TRACE(nth);
    Machine machine(kSmallBodyBytes);
    machine.disk->fail_call(nth, rocksdb::IOStatus::IOError("told to fail"));
    five_lives(machine);
    machine.disk->cut_power();
    machine.disk->restore_power(lose_everything);

    machine.expect_recovery(machine.ledger.synced());
    if (HasFatalFailure()) return;
  }
}

// SURVIVAL 21: the process may also be restarted with all it wrote still in memory of the machine.
TEST_F(RocksDbFaultsTest, AnyCallThatFailsLosesNothingWrittenWhenThePowerStays) {
  for (const std::size_t nth : calls_to_fail(3)) {
    SCOPED_TRACE(nth);
    Machine machine(kSmallBodyBytes);
    machine.disk->fail_call(nth, rocksdb::IOStatus::IOError("told to fail"));
    five_lives(machine);
    // Keeps everything, and forgets a failure that these lives did not come to: how many calls
    // they make differs a little.
    machine.disk->cut_power();
    machine.disk->restore_power([] { return 1.0; });

    machine.expect_recovery(machine.ledger.written());
    if (HasFatalFailure()) return;
  }
}

// SURVIVAL 21: Linux says Ok to the sync after one that failed, though what that one should have
// written may be gone. So no write succeeds any more, and none syncs again.
TEST_F(RocksDbFaultsTest, FailedSyncIsNeverRetried) {
  Machine machine(kSmallBodyBytes);
  auto engine = machine.open();
  ASSERT_TRUE(engine);
  ASSERT_TRUE(machine.ledger.write_next(**engine));
  machine.disk->fail_next_sync(rocksdb::IOStatus::IOError("told to fail"));

  ASSERT_FALSE(machine.ledger.write_next(**engine));

  ASSERT_TRUE(machine.disk->has_failed());
  const std::size_t syncs = machine.disk->syncs();
  EXPECT_FALSE(machine.ledger.write_next(**engine));
  EXPECT_FALSE(machine.ledger.write_next(**engine));
  engine->reset();
  EXPECT_EQ(machine.disk->syncs(), syncs);
}

TEST_F(RocksDbFaultsTest, ErrorSaysWhatFailed) {
  Machine machine(kSmallBodyBytes);
  auto engine = machine.open();
  ASSERT_TRUE(engine);
  const auto batch = (*engine)->new_batch();
  batch->put(Family::kJobs, "key", "value");
  machine.disk->fail_next_sync(rocksdb::IOStatus::IOError("told to fail"));

  const Status status = (*engine)->write(*batch, /*sync=*/true);

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(status.error().message, HasSubstr("writing to " + machine.path()));
  EXPECT_THAT(status.error().message, HasSubstr("told to fail"));
}

// SURVIVAL 21: wherever the disk becomes full, also while a table is flushed.
TEST_F(RocksDbFaultsTest, FullDiskLosesNothing) {
  for (std::uint64_t room = 0; room < 28 * kMiB; room += room < 4'096 ? 512 : 5 * kMiB / 2) {
    SCOPED_TRACE(room);
    Machine machine(kLargeBodyBytes);
    ASSERT_TRUE(machine.live(2));
    machine.disk->set_room(room);
    EXPECT_FALSE(machine.live(100));
    machine.disk->set_room({});
    machine.disk->cut_power();
    machine.disk->restore_power(lose_everything);

    machine.expect_recovery(machine.ledger.synced());
    if (HasFatalFailure()) return;
  }
}

TEST_F(RocksDbFaultsTest, FullDiskIsSaidToBeFull) {
  Machine machine(kLargeBodyBytes);
  auto engine = machine.open();
  ASSERT_TRUE(engine);
  machine.disk->set_room(1'000);
  const auto batch = (*engine)->new_batch();
  batch->put(Family::kJobs, "key", std::string(2'000, 'x'));

  const Status status = (*engine)->write(*batch, /*sync=*/true);

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kDiskFull) << status.error().message;
}

// The manifest is where one bit could drop a table, above all at its end.
std::vector<std::size_t> bytes_to_flip(const testing::FolderCopy::File& file) {
  const bool is_manifest = file.name.starts_with("MANIFEST");
  const std::size_t size = file.bytes.size();
  const std::size_t some = is_manifest ? 60 : 12;
  const std::size_t step = wants_all_faults() ? 1 : std::max<std::size_t>(1, size / some);
  std::vector<std::size_t> bytes;
  for (std::size_t byte = 0; byte < size; byte += step) bytes.push_back(byte);
  const std::size_t end = size - std::min<std::size_t>(size, 60);
  for (std::size_t byte = end; is_manifest && step > 1 && byte < size; ++byte) {
    bytes.push_back(byte);
  }
  return bytes;
}

// Opens a folder in which one bit is wrong.
void expect_error_or(const Content& want, const std::string& path, const Clock& clock) {
  const auto engine = open_rocksdb(path, {clock});
  if (!engine) {
    EXPECT_THAT(engine.error().message, Not(IsEmpty()));
    return;
  }
  const auto content = read_everything(**engine);
  if (content) {
    ASSERT_EQ(*content, want);
  } else {
    EXPECT_EQ(content.error().code, ErrorCode::kCorruption) << content.error().message;
  }
}

// SURVIVAL 20: tables, the manifest, CURRENT and the log of a store that ended in order. Either the
// start or the read says so, or the bit meant nothing.
TEST_F(RocksDbFaultsTest, FlippedBitIsNeverReadAsData) {
  for (const int lives : {1, 3}) {
    Machine machine(kSmallBodyBytes);
    ASSERT_TRUE(machine.live_often(lives, 6));
    const testing::FolderCopy good(machine.path());
    const Content want = *read_everything(**machine.open());

    for (const testing::FolderCopy::File& file : good.files()) {
      if (!is_data(file.name)) continue;
      for (const std::size_t byte : bytes_to_flip(file)) {
        SCOPED_TRACE(file.name + " byte " + std::to_string(byte));
        std::string bad = file.bytes;
        bad[byte] = static_cast<char>(bad[byte] ^ (1 << (byte % 8)));
        good.restore_with(file.name, bad);
        expect_error_or(want, machine.path(), machine.clock);
        if (HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::broker
