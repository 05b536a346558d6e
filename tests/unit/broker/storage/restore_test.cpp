#include "broker/storage/restore.h"

#include <filesystem>
#include <fstream>

#include "broker/storage/rocksdb_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/folder_copy.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/broker/storage/recording_visitor.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr QueueNumber kOrders{1};
constexpr TimePoint kNow{1'800'000'000s};

class RestoreTest : public ::testing::Test {
 protected:
  RestoreTest() {
    store_ = start("data");
    const auto batch = store_->begin_batch();
    batch->sink().put_queue({.number = kOrders, .name = {"default", "orders"}});
    for (std::uint64_t n = 1; n <= 200; ++n) {
      const JobId id{1, n};
      batch->sink().put_job({.queue = kOrders, .id = id, .created_at = kNow, .due_at = kNow});
      batch->sink().put_body(kOrders, id, "", "\"payload of " + std::to_string(n) + "\"");
    }
    CHECK(static_cast<bool>(store_->commit(*batch, true)));
    auto folder = BackupFolder::open(path("backups"));
    CHECK(static_cast<bool>(folder));
    CHECK(static_cast<bool>(folder->create(*store_, "b", kNow)));
  }

  std::string path(const std::string& name) const { return folder_.path() / name; }
  std::string backup() const { return path("backups/b"); }

  std::unique_ptr<Store> start(const std::string& data) {
    auto engine = open_rocksdb(path(data), {.clock = clock_});
    CHECK(static_cast<bool>(engine));
    auto store = Store::open(*std::move(engine));
    CHECK(static_cast<bool>(store));
    return *std::move(store);
  }
  Result<Restored> restore(const std::string& data, std::uint32_t salt = 0) {
    return restore_backup(backup(), path(data), salt, clock_);
  }
  static std::vector<std::string> load(Store& store) {
    RecordingVisitor visitor;
    EXPECT_TRUE(store.load(visitor));
    return visitor.seen;
  }

  testing::TemporaryFolder folder_;
  testing::ManualClock clock_;
  std::unique_ptr<Store> store_;
};

TEST_F(RestoreTest, BringsBackWhatTheStoreHeld) {
  const auto restored = restore("new");
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(restored->created_at, kNow);

  const auto store = start("new");

  EXPECT_EQ(load(*store), load(*store_));
  const JobId last{1, 200};
  EXPECT_EQ((*store->bodies(kOrders, {&last, 1}))[0]->payload, "\"payload of 200\"");
}

TEST_F(RestoreTest, NeitherTheOriginalNorAnotherRestoreComesToItsBoots) {
  ASSERT_TRUE(restore("new", 7));
  ASSERT_TRUE(restore("other", 8));

  EXPECT_EQ(start("new")->boot(), store_->boot() + kRestoreBoots + 7 + 1);
  EXPECT_EQ(start("other")->boot(), store_->boot() + kRestoreBoots + 8 + 1);
  ASSERT_TRUE(restore("third", 0xFFFFFFFF));
  EXPECT_LE(start("third")->boot(), store_->boot() + kRestoreBoots + kRestoreSaltMax + 1);
}

TEST_F(RestoreTest, TouchesNothingOfTheBackup) {
  const testing::FolderCopy before(backup() + "/store");
  ASSERT_TRUE(restore("new"));
  start("new");

  const testing::FolderCopy after(backup() + "/store");
  ASSERT_EQ(after.files().size(), before.files().size());
  for (std::size_t i = 0; i < before.files().size(); ++i) {
    EXPECT_EQ(after.files()[i].name, before.files()[i].name);
    EXPECT_TRUE(after.files()[i].bytes == before.files()[i].bytes) << after.files()[i].name;
  }
}

TEST_F(RestoreTest, TakesEmptyFoldersOnly) {
  std::filesystem::create_directories(path("used/sub"));
  EXPECT_EQ(restore("used").error().code, ErrorCode::kConflict);
  EXPECT_EQ(restore("data").error().code, ErrorCode::kConflict);

  // As a volume is after everything but the backups was moved away.
  std::filesystem::create_directories(path("volume/lost+found"));
  std::filesystem::rename(path("backups"), path("volume/backups"));
  const auto restored = restore_backup(path("volume/backups/b"), path("volume"), 0, clock_);
  EXPECT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(load(*start("volume")), load(*store_));
}

TEST_F(RestoreTest, OfNoBackupIsRefused) {
  const auto restored = restore_backup(path("backups/none"), path("new"), 0, clock_);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path("new")));
}

TEST_F(RestoreTest, ThatWasCutOffIsNeverServed) {
  ASSERT_TRUE(restore("new"));
  std::ofstream(path("new/RESTORING")) << "x";

  const auto engine = open_rocksdb(path("new"), {.clock = clock_});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kCorruption);
  EXPECT_THAT(engine.error().message, HasSubstr("restore again"));
  EXPECT_THAT(restore("new").error().message, HasSubstr("cut off"));
}

TEST_F(RestoreTest, FindsDamageOfAnyFile) {
  const testing::FolderCopy sound(backup() + "/store");
  int damaged = 0;
  for (const auto& file : sound.files()) {
    SCOPED_TRACE(file.name);
    const std::string into = "new" + std::to_string(++damaged);
    std::filesystem::remove(backup() + "/store/" + file.name);
    EXPECT_EQ(restore(into).error().code, ErrorCode::kCorruption);
    sound.restore_with(file.name, file.bytes + "x");
    EXPECT_EQ(restore(into).error().code, ErrorCode::kCorruption);
    sound.restore();
    if (file.name.starts_with("OPTIONS")) continue;  // for people

    for (const std::size_t at : {file.bytes.size() / 3, file.bytes.size() / 2}) {
      std::string flipped = file.bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
      sound.restore_with(file.name, flipped);
      const auto restored = restore(into);
      EXPECT_FALSE(restored);
      EXPECT_THAT(restore(into).error().message, HasSubstr("not empty"));
      std::filesystem::remove_all(path(into));
    }
    sound.restore();
  }
  EXPECT_GT(damaged, 3);
  EXPECT_TRUE(restore("at-last"));
}

}  // namespace
}  // namespace sluice::broker
