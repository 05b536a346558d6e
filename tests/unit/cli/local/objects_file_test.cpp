#include "cli/local/objects_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/local/files.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/cli/local/temporary_folder.h"

namespace sluice::local {
namespace {

op::Object job(std::string name) {
  op::Object object;
  object.key = {op::ObjectKind::kJob, "default", std::move(name)};
  return object;
}

TEST(ObjectsFile, UidAndStatusOutliveTheProcess) {
  const sluice::testing::TemporaryFolder folder;
  const sluice::testing::ManualClock clock;
  std::string uid;
  {
    op::MemoryObjectStore store(clock, 1);
    ObjectsFile file(folder.path() / "objects.json", store);
    ASSERT_TRUE(file.load());
    uid = store.create(job("j"))->uid;
    ASSERT_TRUE(store.update_status(job("j").key, "", R"({"state":"Succeeded"})"));
    ASSERT_TRUE(file.save());
  }
  op::MemoryObjectStore store(clock, 2);
  ObjectsFile file(folder.path() / "objects.json", store);
  ASSERT_TRUE(file.load());

  const auto kept = store.get(job("j").key);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->uid, uid);
  EXPECT_EQ(kept->status_json, R"({"state":"Succeeded"})");
}

TEST(ObjectsFile, DamagedFileStopsTheStartAndIsNamed) {
  const sluice::testing::TemporaryFolder folder;
  folder.write("objects.json", "{\"version\":");
  const sluice::testing::ManualClock clock;
  op::MemoryObjectStore store(clock, 1);
  ObjectsFile file(folder.path() / "objects.json", store);

  const Status loaded = file.load();

  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorruption);
  EXPECT_THAT(loaded.error().message, ::testing::HasSubstr("objects.json"));
}

TEST(ObjectsFile, WritesOnlyChangesAndAtMostOnceASecond) {
  const sluice::testing::TemporaryFolder folder;
  const auto path = folder.path() / "objects.json";
  sluice::testing::ManualClock clock;
  op::MemoryObjectStore store(clock, 1);
  ObjectsFile file(path, store);
  ASSERT_TRUE(file.save_if_due(clock.now().steady));
  EXPECT_FALSE(std::filesystem::exists(path)) << "nothing has changed";

  ASSERT_TRUE(store.create(job("j")));
  ASSERT_TRUE(file.save_if_due(clock.now().steady));
  EXPECT_FALSE(std::filesystem::exists(path)) << "not due";
  clock.advance(ObjectsFile::kSaveEvery);
  ASSERT_TRUE(file.save_if_due(clock.now().steady));
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace sluice::local
