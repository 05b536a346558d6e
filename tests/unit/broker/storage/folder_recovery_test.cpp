#include "broker/storage/folder_recovery.h"

#include <filesystem>
#include <fstream>

#include "broker/storage/log_mark.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/broker/storage/log_bytes.h"

namespace sluice::broker {
namespace {

using ::testing::HasSubstr;

constexpr LogPosition kNothing{};

// Log files as a broker writes them: batches that end with a mark.
class FolderRecoveryTest : public ::testing::Test {
 protected:
  // Goes on with log `number`; of `bytes` and a mark.
  void write(std::uint64_t number, std::size_t bytes = 100) {
    if (logs_.empty() || number_ != number) logs_[number];
    std::string& log = logs_[number];
    log += log_record(std::string(bytes, 'x') + encode_mark({synced_, written_}), log.size());
    number_ = number;
    written_ = {number, log.size()};
  }
  void sync() { synced_ = written_; }

  void damage(std::uint64_t number, std::size_t at) { logs_[number][at] ^= 1; }
  void lose(std::uint64_t number, std::size_t from) { logs_[number].resize(from); }
  std::size_t end(std::uint64_t number) { return logs_[number].size(); }

  Status recover() {
    for (const auto& [number, bytes] : logs_) {
      std::ofstream(file(number), std::ios::binary | std::ios::trunc) << bytes;
    }
    std::ofstream(std::filesystem::path(folder_.path()) / "CURRENT") << "MANIFEST-000001\n";
    std::ofstream(manifest(), std::ios::binary | std::ios::trunc) << manifest_;
    return recover_folder(folder_.path());
  }
  // Batches of all sizes in up to three logs, synced now and then.
  void write_at_random() {
    const int batches = *rc::gen::inRange(1, 12);
    std::uint64_t number = 1;
    for (int i = 0; i < batches; ++i) {
      if (number < 3 && *rc::gen::inRange(0, 5) == 0) ++number;
      write(number, *rc::gen::inRange<std::size_t>(0, *rc::gen::element(10, 2'000, 80'000)));
      ends_.push_back(written_);
      if (*rc::gen::inRange(0, 3) == 0) sync();
    }
  }
  std::size_t synced_bytes(std::uint64_t number) const {
    if (number == synced_.file) return synced_.offset;
    return number < synced_.file ? logs_.at(number).size() : 0;
  }
  // Sectors of what was not synced are zeros, and the file may have been cut.
  void lose_power() {
    constexpr std::size_t kSectorBytes = 512;
    for (auto& [number, log] : logs_) {
      const std::size_t synced = synced_bytes(number);
      for (std::size_t at = synced; at < log.size();) {
        const std::size_t next = std::min(at - at % kSectorBytes + kSectorBytes, log.size());
        if (*rc::gen::inRange(0, 4) == 0) log.replace(at, next - at, next - at, '\0');
        at = next;
      }
      if (*rc::gen::arbitrary<bool>()) log.resize(*rc::gen::inRange(synced, log.size() + 1));
    }
  }
  // Where the logs on disk end, if they are those of `written`, cut at one place.
  std::optional<LogPosition> end_on_disk(
      const std::map<std::uint64_t, std::string>& written) const {
    LogPosition end;
    bool is_cut = false;
    for (const auto& [number, log] : written) {
      std::ifstream in(file(number), std::ios::binary);
      const std::string left{std::istreambuf_iterator<char>(in), {}};
      if (left != log.substr(0, left.size()) || (is_cut && !left.empty())) return std::nullopt;
      if (!left.empty()) end = {number, left.size()};
      is_cut = left.size() < log.size();
    }
    return end;
  }

  std::size_t left(std::uint64_t number) { return std::filesystem::file_size(file(number)); }

  void expect_damage(std::uint64_t number) {
    const std::size_t before = end(number);
    const Status status = recover();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kCorruption);
    EXPECT_THAT(status.error().message,
                HasSubstr(file(number).filename().string() + " is damaged"));
    EXPECT_EQ(left(number), before);
  }

  std::filesystem::path file(std::uint64_t number) const {
    return std::filesystem::path(folder_.path()) / ("00000" + std::to_string(number) + ".log");
  }

  std::filesystem::path manifest() const {
    return std::filesystem::path(folder_.path()) / "MANIFEST-000001";
  }

  testing::TemporaryFolder folder_;
  std::string manifest_;
  std::map<std::uint64_t, std::string> logs_;
  std::vector<LogPosition> ends_;  // of the batches of write_at_random()
  std::uint64_t number_ = 0;
  LogPosition synced_ = kNothing;
  LogPosition written_ = kNothing;
};

TEST_F(FolderRecoveryTest, WholeLogsStayAsTheyAre) {
  EXPECT_TRUE(recover());
  write(4);
  sync();
  write(4);
  write(7);
  const std::size_t first = end(4);
  const std::size_t second = end(7);

  EXPECT_TRUE(recover());

  EXPECT_EQ(left(4), first);
  EXPECT_EQ(left(7), second);
}

TEST_F(FolderRecoveryTest, ZerosAheadGo) {
  write(4);
  const std::size_t whole = end(4);
  lose(4, whole + 5'000);

  EXPECT_TRUE(recover());

  EXPECT_EQ(left(4), whole);
}

// SURVIVAL 20: what was not synced comes to the disk in no order.
TEST_F(FolderRecoveryTest, TearInWhatWasNotSyncedCutsOffTheRest) {
  write(4);
  sync();
  const std::size_t synced = end(4);
  write(4);
  write(4);
  write(4);
  damage(4, synced + 50);

  EXPECT_TRUE(recover());

  EXPECT_EQ(left(4), synced);
}

TEST_F(FolderRecoveryTest, TearBeforeASyncIsDamage) {
  write(4);
  write(4);
  sync();
  write(4);  // says that both are on disk
  for (const std::size_t at : {20, 170}) {
    SCOPED_TRACE(at);
    damage(4, at);
    expect_damage(4);
    damage(4, at);
  }
}

// The first write after a sync says nothing of the log it is the first of, but of the one before.
TEST_F(FolderRecoveryTest, LaterLogSpeaksOfTheOneBefore) {
  write(4);
  sync();
  write(7);
  damage(4, 20);
  expect_damage(4);
}

TEST_F(FolderRecoveryTest, TearInAnEarlierLogEmptiesTheLaterOnes) {
  write(4);
  sync();
  const std::size_t synced = end(4);
  write(4);
  write(7);
  write(9);
  damage(4, synced + 50);

  EXPECT_TRUE(recover());

  EXPECT_EQ(left(4), synced);
  EXPECT_EQ(left(7), 0u);
  EXPECT_EQ(left(9), 0u);
}

// SURVIVAL 20: cut exactly between two batches, the log looks whole.
TEST_F(FolderRecoveryTest, MissingEndOfAnEarlierLogIsNoticed) {
  write(4);
  sync();
  const std::size_t synced = end(4);
  write(4);
  write(7);
  lose(4, synced);

  EXPECT_TRUE(recover());

  EXPECT_EQ(left(4), synced);
  EXPECT_EQ(left(7), 0u);
}

TEST_F(FolderRecoveryTest, MissingSyncedEndOfAnEarlierLogIsDamage) {
  write(4);
  const std::size_t first = end(4);
  write(4);
  sync();
  write(7);
  lose(4, first);

  expect_damage(4);
}

// What the next process writes does not go on where the last one ended.
TEST_F(FolderRecoveryTest, LogsOfTwoProcessesAreTwoLogs) {
  write(4);
  sync();
  synced_ = written_ = kNothing;
  write(7);
  const std::size_t first = end(4);
  const std::size_t second = end(7);

  EXPECT_TRUE(recover());

  EXPECT_EQ(left(4), first);
  EXPECT_EQ(left(7), second);
}

// SURVIVAL 20
RC_GTEST_FIXTURE_PROP(FolderRecoveryTest, PowerCutLeavesWholeBatchesAndAllThatWereSynced, ()) {
  write_at_random();
  const auto written = logs_;
  lose_power();

  const Status status = recover();

  RC_ASSERT(static_cast<bool>(status));
  const auto end = end_on_disk(written);
  RC_ASSERT(end.has_value());
  RC_ASSERT(*end >= synced_);
  RC_ASSERT(*end == kNothing || std::find(ends_.begin(), ends_.end(), *end) != ends_.end());
}

// SURVIVAL 20: damage in what a later batch says was on disk, with or without a power cut.
RC_GTEST_FIXTURE_PROP(FolderRecoveryTest, FlippedBitBeforeTheLastSyncIsDamage, ()) {
  write_at_random();
  sync();
  write(3, 100);  // the batch that says so
  const LogPosition in = *rc::gen::elementOf(ends_);
  const std::uint64_t number = in.file;
  damage(number, *rc::gen::inRange<std::size_t>(0, synced_bytes(number)));

  const Status status = recover();

  RC_ASSERT(!status);
  RC_ASSERT(status.error().code == ErrorCode::kCorruption);
}

// A log of a broker that wrote no marks.
TEST_F(FolderRecoveryTest, BatchesWithoutAMarkWereSyncedOneByOne) {
  logs_[4] = log_record("one") + log_record("two") + log_record("three");
  damage(4, log_record("one").size() + 8);
  expect_damage(4);
  logs_[4] = log_record("one") + log_record("two");
  damage(4, log_record("one").size() + 8);

  EXPECT_TRUE(recover());

  EXPECT_EQ(left(4), log_record("one").size());
}

// RocksDB refuses a manifest whose last record has its size, but not its bytes.
TEST_F(FolderRecoveryTest, TornEndOfTheManifestIsCutOff) {
  const std::string whole = log_record("one") + log_record("two");
  const std::string three = log_record(std::string(2'000, '3'), whole.size());
  const std::string with_hole = std::string(three).replace(0, 600, 600, '\0');
  for (const std::string& end : {three.substr(0, 9), std::string(12, '\0'), with_hole}) {
    manifest_ = whole + end;

    EXPECT_TRUE(recover());

    EXPECT_EQ(std::filesystem::file_size(manifest()), whole.size());
  }
}

// Without it, tables would be gone whose logs are gone.
TEST_F(FolderRecoveryTest, DamagedEndOfTheManifestIsLeftToRocksDb) {
  manifest_ = log_record("one") + log_record("two");
  manifest_.back() ^= 1;

  EXPECT_TRUE(recover());

  EXPECT_EQ(std::filesystem::file_size(manifest()), manifest_.size());
}

TEST_F(FolderRecoveryTest, TearWithinTheManifestIsDamage) {
  manifest_ = log_record("one") + log_record("two") + log_record("three");
  manifest_[log_record("one").size() + 4] = '\xFF';  // a length that would reach over the third

  const Status status = recover();

  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("MANIFEST-000001 is damaged at byte 10"));
  EXPECT_EQ(std::filesystem::file_size(manifest()), manifest_.size());
}

TEST_F(FolderRecoveryTest, ManifestThatIsNotTheCurrentOneDoesNotMatter) {
  const std::string name = folder_.path() / "MANIFEST-000099";
  std::ofstream(name) << log_record("one") + "torn" + log_record("two");

  EXPECT_TRUE(recover());
}

TEST_F(FolderRecoveryTest, OtherFilesAreLeftAlone) {
  const std::filesystem::path other = std::filesystem::path(folder_.path()) / "broker.log";
  std::ofstream(other) << "text";

  EXPECT_TRUE(recover());

  EXPECT_EQ(std::filesystem::file_size(other), 4u);
}

}  // namespace
}  // namespace sluice::broker
