#include "broker/server/backup_desk.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "broker/storage/rocksdb_engine.h"
#include "common/base/check.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_folder.h"

namespace sluice::broker {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class BackupDeskTest : public ::testing::Test {
 protected:
  BackupDeskTest() {
    auto engine = open_rocksdb((folder_.path() / "data").string(), {.clock = clock_});
    CHECK(static_cast<bool>(engine));
    auto store = Store::open(*std::move(engine));
    CHECK(static_cast<bool>(store));
    store_ = *std::move(store);
  }

  BackupDesk desk(std::uint64_t reserve_bytes = 0) {
    auto backups = BackupFolder::open((folder_.path() / "backups").string());
    CHECK(static_cast<bool>(backups));
    return BackupDesk(*std::move(backups), *store_, clock_, reserve_bytes);
  }

  testing::TemporaryFolder folder_;
  testing::ManualClock clock_;
  std::unique_ptr<Store> store_;
};

TEST_F(BackupDeskTest, MakesOneAtATime) {
  BackupDesk backups = desk();
  ASSERT_TRUE(backups.begin());

  const auto second = backups.begin();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);

  ASSERT_TRUE(backups.create("a"));
  EXPECT_TRUE(backups.begin());
}

TEST_F(BackupDeskTest, IsFreeAgainAfterAFailure) {
  BackupDesk backups = desk();
  ASSERT_TRUE(backups.begin());
  ASSERT_TRUE(backups.create("a"));
  ASSERT_TRUE(backups.begin());
  ASSERT_FALSE(backups.create("a"));

  ASSERT_TRUE(backups.begin());
  EXPECT_TRUE(backups.create(std::nullopt));
  EXPECT_THAT(*backups.list(), SizeIs(2));
}

TEST_F(BackupDeskTest, LeavesTheDiskItsReserve) {
  BackupDesk backups = desk(2 * std::filesystem::space(folder_.path()).available);
  ASSERT_TRUE(backups.begin());

  const auto made = backups.create("a");

  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kDiskFull);
  EXPECT_THAT(*backups.list(), IsEmpty());
}

}  // namespace
}  // namespace sluice::broker
