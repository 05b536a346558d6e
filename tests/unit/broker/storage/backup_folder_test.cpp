#include "broker/storage/backup_folder.h"

#include <filesystem>
#include <fstream>

#include "broker/storage/memory_engine.h"
#include "broker/storage/rocksdb_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_folder.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr TimePoint kNow{1'800'000'000s};

TEST(BackupName, IsOneSafeSegmentOfAPath) {
  const std::string good[] = {"a", "2026-11-27", "A.b_c-9", "x.", std::string(64, 'x')};
  const std::string bad[] = {
      "", ".", "..", ".a", "a/b", "a b", "a\\b", "a:b", "\u00e4", "a\n", std::string(65, 'x')};
  for (const std::string& name : good) EXPECT_TRUE(is_backup_name(name)) << name;
  for (const std::string& name : bad) EXPECT_FALSE(is_backup_name(name)) << name;
  EXPECT_TRUE(is_backup_name(backup_name_of(kNow)));
  EXPECT_EQ(backup_name_of(kNow + 250ms), "20270115T080000Z");
}

TEST(BackupListing, IsReadAsItWasWritten) {
  const BackupListing listing{.created_at = kNow, .files = {{"000007.sst", 12}, {"CURRENT", 3}}};
  const auto read = decode_listing(encode_listing(listing));

  ASSERT_TRUE(read);
  EXPECT_EQ(read->created_at, kNow);
  ASSERT_EQ(read->files.size(), 2u);
  EXPECT_EQ(read->files[0].name, "000007.sst");
  EXPECT_EQ(read->bytes(), 15u);
}

TEST(BackupListing, ThatIsDamagedIsRefused) {
  const std::string good = encode_listing({.created_at = kNow, .files = {{"a", 1}, {"b", 2}}});
  const std::string cases[] = {
      "",
      "sluice-backup 2\n" + good.substr(good.find('\n') + 1),
      good.substr(0, good.size() - 4),   // a file less
      good + "c 3\n",                    // one more
      good.substr(0, good.find("a 1")),  // none
      good.substr(0, good.find("a 1")) + "a\nb 2\n",
      good.substr(0, good.find("a 1")) + "../a 1\nb 2\n",
      good.substr(0, good.find("a 1")) + "a/b 1\nb 2\n",
      good.substr(0, good.find("a 1")) + "a -1\nb 2\n",
  };
  for (const std::string& text : cases) {
    SCOPED_TRACE(text);
    const auto read = decode_listing(text);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, ErrorCode::kCorruption);
  }
}

class BackupFolderTest : public ::testing::Test {
 protected:
  BackupFolderTest() {
    auto engine = open_rocksdb((folder_.path() / "data").string(), {.clock = clock_});
    CHECK(static_cast<bool>(engine));
    auto store = Store::open(*std::move(engine));
    CHECK(static_cast<bool>(store));
    store_ = *std::move(store);
  }

  std::filesystem::path path() const { return folder_.path() / "backups"; }
  BackupFolder open() {
    auto folder = BackupFolder::open(path().string());
    CHECK(static_cast<bool>(folder));
    return *std::move(folder);
  }
  static std::vector<std::string> names(const BackupFolder& folder) {
    std::vector<std::string> names;
    const auto listed = folder.list();
    for (const Backup& backup : *listed) names.push_back(backup.name);
    return names;
  }
  // Every entry, whatever it is.
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  testing::TemporaryFolder folder_;
  testing::ManualClock clock_;
  std::unique_ptr<Store> store_;
};

TEST_F(BackupFolderTest, ListsWhatWasMadeUntilItIsRemoved) {
  BackupFolder folder = open();
  EXPECT_THAT(names(folder), IsEmpty());

  const auto made = folder.create(*store_, "b", kNow);
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(folder.create(*store_, "a", kNow + 1s));

  EXPECT_GT(made->bytes, 0u);
  EXPECT_THAT(names(folder), ElementsAre("a", "b"));
  EXPECT_EQ((*folder.list())[1].created_at, kNow);
  EXPECT_EQ((*folder.list())[1].bytes, made->bytes);
  EXPECT_THAT(names(open()), ElementsAre("a", "b"));

  ASSERT_TRUE(folder.remove("b"));
  EXPECT_THAT(names(folder), ElementsAre("a"));
  EXPECT_THAT(entries(), ElementsAre("a"));
  EXPECT_EQ(folder.remove("b").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(folder.remove("../data").error().code, ErrorCode::kNotFound);
}

TEST_F(BackupFolderTest, ANameIsTakenOnce) {
  BackupFolder folder = open();
  ASSERT_TRUE(folder.create(*store_, "a", kNow));

  const auto again = folder.create(*store_, "a", kNow + 1s);

  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
  EXPECT_EQ((*folder.list())[0].created_at, kNow);
}

// What a broker leaves that is killed before a rename, or in the midst of a removal.
TEST_F(BackupFolderTest, WhatWasCutOffIsNotListedAndGoesWithTheNextStart) {
  ASSERT_TRUE(open().create(*store_, "whole", kNow));
  std::filesystem::copy(path() / "whole", path() / ".making-half",
                        std::filesystem::copy_options::recursive);
  std::filesystem::create_directories(path() / ".removing-old" / "store");
  std::filesystem::create_directories(path() / "somebody-elses");

  const BackupFolder folder = open();

  EXPECT_THAT(names(folder), ElementsAre("whole"));
  EXPECT_THAT(entries(), ::testing::UnorderedElementsAre("whole", "somebody-elses"));
}

TEST_F(BackupFolderTest, AFailedBackupLeavesNothing) {
  auto memory = Store::open(make_memory_engine());
  ASSERT_TRUE(memory);
  BackupFolder folder = open();

  EXPECT_FALSE(folder.create(**memory, "a", kNow));

  EXPECT_THAT(entries(), IsEmpty());
}

}  // namespace
}  // namespace sluice::broker
