// What a checkpoint holds while others write: the state after one batch, none before the call left
// out.
#include <atomic>
#include <filesystem>
#include <thread>

#include "broker/storage/rocksdb_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/broker/storage/storage_ledger.h"

namespace sluice::broker {
namespace {

constexpr int kCheckpoints = 12;
constexpr std::size_t kBatchesBetween = 20;
constexpr std::size_t kBatchesMax = 500;
constexpr std::size_t kBodyBytes = 100 * 1024;  // so that tables are flushed by themselves, too

class CheckpointTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<KeyValueEngine>> open(const std::string& name, bool is_restoring) {
    return open_rocksdb(path(name), {.clock = clock_, .is_restoring = is_restoring});
  }
  std::string path(const std::string& name) const { return folder_.path() / name; }

  // After which batch the checkpoint is; absent when it is after none.
  std::optional<std::size_t> batch_in(const std::string& name) {
    const auto copy = open(name, true);
    EXPECT_TRUE(copy) << copy.error().message;
    if (!copy) return std::nullopt;
    const auto content = read_everything(**copy);
    EXPECT_TRUE(content) << content.error().message;
    return content ? ledger_.batch_of(*content) : std::nullopt;
  }

  testing::TemporaryFolder folder_;
  testing::ManualClock clock_;
  StorageLedger ledger_{kBodyBytes};
};

TEST_F(CheckpointTest, HoldsWhatWasWrittenBeforeItAndWholeBatches) {
  const auto engine = open("data", false);
  ASSERT_TRUE(engine);
  std::atomic<std::size_t> written = 0;
  std::atomic<bool> stops = false;
  std::thread writer([&] {
    while (!stops && written < kBatchesMax && ledger_.write_next(**engine)) {
      written = ledger_.written();
    }
  });

  std::vector<std::size_t> asked_at;
  for (int i = 0; i < kCheckpoints; ++i) {
    while (written < kBatchesBetween * static_cast<std::size_t>(i + 1)) std::this_thread::yield();
    asked_at.push_back(written);
    const Status made = (*engine)->checkpoint(path("copy" + std::to_string(i)));
    EXPECT_TRUE(made) << made.error().message;
  }
  stops = true;
  writer.join();

  for (int i = 0; i < kCheckpoints; ++i) {
    SCOPED_TRACE(i);
    const auto batch = batch_in("copy" + std::to_string(i));
    ASSERT_TRUE(batch);
    EXPECT_GE(*batch, asked_at[static_cast<std::size_t>(i)]);
  }
}

TEST_F(CheckpointTest, OfAnIdleStoreNeedsNoLog) {
  const auto engine = open("data", false);
  ASSERT_TRUE(engine);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(ledger_.write_next(**engine));

  ASSERT_TRUE((*engine)->checkpoint(path("first")));
  ASSERT_TRUE((*engine)->checkpoint(path("second")));

  EXPECT_EQ(batch_in("first"), ledger_.written());
  EXPECT_EQ(batch_in("second"), ledger_.written());
}

TEST_F(CheckpointTest, LeavesAStoreThatStartsAgain) {
  {
    const auto engine = open("data", false);
    ASSERT_TRUE(engine);
    for (int i = 0; i < 8; ++i) {
      ASSERT_TRUE(ledger_.write_next(**engine));
      ASSERT_TRUE((*engine)->checkpoint(path("copy" + std::to_string(i))));
    }
  }

  const auto engine = open("data", false);
  ASSERT_TRUE(engine) << engine.error().message;
  EXPECT_EQ(ledger_.batch_of(*read_everything(**engine)), ledger_.written());
}

TEST_F(CheckpointTest, TakesLittleRoomWhereTablesAreLinked) {
  const auto engine = open("data", false);
  ASSERT_TRUE(engine);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(ledger_.write_next(**engine));
  ASSERT_TRUE((*engine)->checkpoint(path("copy")));

  for (const auto& entry : std::filesystem::directory_iterator(path("copy"))) {
    if (entry.path().extension() != ".sst") continue;
    EXPECT_EQ(std::filesystem::hard_link_count(entry.path()), 2u);
  }
  // A folder that cannot be asked might be on another disk.
  EXPECT_GT((*engine)->checkpoint_bytes_max(path("nowhere")),
            (*engine)->checkpoint_bytes_max(folder_.path()));
}

}  // namespace
}  // namespace sluice::broker
