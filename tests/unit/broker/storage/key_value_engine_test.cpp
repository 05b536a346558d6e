// What every key-value engine must do, for the one on disk and the ones in memory.
#include "broker/storage/key_value_engine.h"

#include "broker/storage/memory_engine.h"
#include "broker/storage/rocksdb_engine.h"
#include "gtest/gtest.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_disk.h"
#include "tests/support/temporary_folder.h"

namespace sluice::broker {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

enum class Kind { kMemory, kMemoryDisk, kRocksDb };

class KeyValueEngineContract : public ::testing::TestWithParam<Kind> {
 protected:
  KeyValueEngineContract() : engine_(make()) {}

  std::unique_ptr<KeyValueEngine> make() {
    if (GetParam() == Kind::kMemory) return make_memory_engine();
    if (GetParam() == Kind::kMemoryDisk) return disk_.open();
    auto engine = open_rocksdb(folder_.path() / "data", {clock_});
    CHECK(static_cast<bool>(engine));
    return std::move(*engine);
  }

  template <typename Fill>
  void write(Fill fill) {
    const auto batch = engine_->new_batch();
    fill(*batch);
    ASSERT_TRUE(engine_->write(*batch, false));
  }

  void put(Family family, std::string_view key, std::string_view value) {
    write([&](KeyValueBatch& batch) { batch.put(family, key, value); });
  }

  static std::optional<std::string> get(const KeyValueReader& reader, Family family,
                                        std::string_view key) {
    auto value = reader.get(family, key);
    CHECK(static_cast<bool>(value));
    return *value;
  }

  static Pairs scan(const KeyValueReader& reader, std::string_view prefix, std::string_view from) {
    Pairs pairs;
    const auto cursor = reader.scan(Family::kJobs, prefix, from, ScanKind::kPage);
    for (; cursor->valid(); cursor->next()) pairs.emplace_back(cursor->key(), cursor->value());
    EXPECT_TRUE(cursor->status());
    return pairs;
  }

  testing::TemporaryFolder folder_;
  testing::ManualClock clock_;
  testing::MemoryDisk disk_;
  std::unique_ptr<KeyValueEngine> engine_;
};

TEST_P(KeyValueEngineContract, ReadsWhatWasWritten) {
  put(Family::kJobs, "k", "v");

  EXPECT_EQ(get(*engine_, Family::kJobs, "k"), "v");
  EXPECT_EQ(get(*engine_, Family::kJobs, "other"), std::nullopt);
}

TEST_P(KeyValueEngineContract, FamiliesAreApart) {
  put(Family::kJobs, "k", "job");
  put(Family::kDead, "k", "dead");

  EXPECT_EQ(get(*engine_, Family::kJobs, "k"), "job");
  EXPECT_EQ(get(*engine_, Family::kDead, "k"), "dead");
  EXPECT_EQ(get(*engine_, Family::kMeta, "k"), std::nullopt);
}

TEST_P(KeyValueEngineContract, LaterWritesOfABatchWin) {
  write([](KeyValueBatch& batch) {
    batch.put(Family::kJobs, "a", "1");
    batch.put(Family::kJobs, "a", "2");
    batch.put(Family::kJobs, "b", "1");
    batch.remove(Family::kJobs, "b");
  });

  EXPECT_EQ(scan(*engine_, "", ""), (Pairs{{"a", "2"}}));
}

TEST_P(KeyValueEngineContract, RemovedOnceIsGone) {
  put(Family::kBodies, "k", "v");

  write([](KeyValueBatch& batch) { batch.remove_once(Family::kBodies, "k"); });

  EXPECT_EQ(get(*engine_, Family::kBodies, "k"), std::nullopt);
}

TEST_P(KeyValueEngineContract, RangeRemovesItsBeginAndNotItsEnd) {
  write([](KeyValueBatch& batch) {
    for (const char* key : {"a", "b", "b1", "c", "d"}) batch.put(Family::kJobs, key, "");
  });

  write([](KeyValueBatch& batch) { batch.remove_range(Family::kJobs, "b", "c"); });

  EXPECT_EQ(scan(*engine_, "", ""), (Pairs{{"a", ""}, {"c", ""}, {"d", ""}}));
}

TEST_P(KeyValueEngineContract, PutAfterARangeRemovalStays) {
  write([](KeyValueBatch& batch) {
    batch.put(Family::kJobs, "b", "old");
    batch.remove_range(Family::kJobs, "a", "z");
    batch.put(Family::kJobs, "b", "new");
  });

  EXPECT_EQ(get(*engine_, Family::kJobs, "b"), "new");
}

TEST_P(KeyValueEngineContract, MultiGetAnswersInTheOrderOfTheKeys) {
  put(Family::kJobs, "a", "1");
  put(Family::kJobs, "c", "3");

  const std::vector<std::string> keys = {"c", "b", "a", "c"};
  const auto values = engine_->multi_get(Family::kJobs, keys);

  ASSERT_TRUE(values);
  EXPECT_EQ(*values, (std::vector<std::optional<std::string>>{"3", std::nullopt, "1", "3"}));
}

TEST_P(KeyValueEngineContract, MultiGetOfNothingIsNothing) {
  const auto values = engine_->multi_get(Family::kJobs, {});

  ASSERT_TRUE(values);
  EXPECT_TRUE(values->empty());
}

TEST_P(KeyValueEngineContract, ScanStaysWithinThePrefix) {
  write([](KeyValueBatch& batch) {
    for (const char* key : {"a9", "b", "b1", "b2", "c"}) batch.put(Family::kJobs, key, key);
  });

  EXPECT_EQ(scan(*engine_, "b", "b"), (Pairs{{"b", "b"}, {"b1", "b1"}, {"b2", "b2"}}));
  EXPECT_EQ(scan(*engine_, "b", "b11"), (Pairs{{"b2", "b2"}}));
  EXPECT_EQ(scan(*engine_, "d", "d"), Pairs{});
}

TEST_P(KeyValueEngineContract, OrderIsOfUnsignedBytes) {
  const std::string low("\x01\x00", 2);
  const std::string high("\xFF\xFF", 2);
  put(Family::kJobs, high, "high");
  put(Family::kJobs, low, "low");

  EXPECT_EQ(scan(*engine_, "", ""), (Pairs{{low, "low"}, {high, "high"}}));
  EXPECT_EQ(scan(*engine_, "\xFF", "\xFF"), (Pairs{{high, "high"}}));
}

TEST_P(KeyValueEngineContract, SnapshotDoesNotMove) {
  put(Family::kJobs, "k", "before");
  const auto snapshot = engine_->snapshot();

  put(Family::kJobs, "k", "after");
  put(Family::kJobs, "l", "new");

  EXPECT_EQ(get(*snapshot, Family::kJobs, "k"), "before");
  EXPECT_EQ(scan(*snapshot, "", ""), (Pairs{{"k", "before"}}));
  EXPECT_EQ(get(*engine_, Family::kJobs, "k"), "after");
}

TEST_P(KeyValueEngineContract, CursorDoesNotMove) {
  put(Family::kJobs, "a", "1");
  put(Family::kJobs, "b", "2");
  const auto cursor = engine_->scan(Family::kJobs, "", "", ScanKind::kEverything);

  write([](KeyValueBatch& batch) { batch.remove(Family::kJobs, "b"); });

  cursor->next();
  ASSERT_TRUE(cursor->valid());
  EXPECT_EQ(cursor->key(), "b");
  EXPECT_EQ(cursor->value(), "2");
}

TEST_P(KeyValueEngineContract, BatchKnowsItsSize) {
  const auto batch = engine_->new_batch();
  EXPECT_TRUE(batch->empty());

  batch->put(Family::kJobs, "key", std::string(1'000, 'x'));

  EXPECT_FALSE(batch->empty());
  EXPECT_GE(batch->size_bytes(), 1'003u);
}

TEST_P(KeyValueEngineContract, SpaceIsLeft) {
  EXPECT_GT(engine_->free_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, KeyValueEngineContract,
                         ::testing::Values(Kind::kMemory, Kind::kMemoryDisk, Kind::kRocksDb),
                         [](const auto& suite) -> std::string {
                           switch (suite.param) {
                             case Kind::kMemory:
                               return "Memory";
                             case Kind::kMemoryDisk:
                               return "MemoryDisk";
                             default:
                               return "RocksDb";
                           }
                         });

TEST(EndOfPrefix, IsTheFirstKeyBehindIt) {
  EXPECT_EQ(end_of_prefix("a"), "b");
  EXPECT_EQ(end_of_prefix("a\xFF"), "b");
  EXPECT_EQ(end_of_prefix("\xFF\xFF"), "");
  EXPECT_EQ(end_of_prefix(""), "");
}

TEST(MemoryDisk, PowerCutLosesWhatWasNotSynced) {
  testing::MemoryDisk disk;
  {
    const auto engine = disk.open();
    for (const auto& [key, sync] : {std::pair{"kept", true}, std::pair{"lost", false}}) {
      const auto batch = engine->new_batch();
      batch->put(Family::kMeta, key, "");
      ASSERT_TRUE(engine->write(*batch, sync));
    }
  }

  disk.lose_unsynced();

  const auto engine = disk.open();
  EXPECT_EQ(*engine->get(Family::kMeta, "kept"), "");
  EXPECT_EQ(*engine->get(Family::kMeta, "lost"), std::nullopt);
}

TEST(MemoryDisk, FailsTheNthWriteAndAllAfterIt) {
  testing::MemoryDisk disk;
  const auto engine = disk.open();
  const auto batch = engine->new_batch();
  batch->put(Family::kMeta, "k", "");

  disk.fail_write(2);

  EXPECT_TRUE(engine->write(*batch, true));
  EXPECT_FALSE(engine->write(*batch, true));
  EXPECT_FALSE(engine->write(*batch, true));
  EXPECT_EQ(disk.batches(), 1u);
}

}  // namespace
}  // namespace sluice::broker
