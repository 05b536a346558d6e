#include "cli/local/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/local/bounded_log.h"
#include "cli/local/data_folder.h"
#include "tests/unit/cli/local/temporary_folder.h"

namespace sluice::local {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Files, AtomicWriteReplacesTheWholeContent) {
  const sluice::testing::TemporaryFolder folder;
  const auto file = folder.write("f", "a long content of before");

  ASSERT_TRUE(write_file_atomically(file, "new"));

  EXPECT_EQ(*read_file(file, 100), "new");
}

TEST(Files, FailedAtomicWriteKeepsTheOldContent) {
  const sluice::testing::TemporaryFolder folder;
  const auto file = folder.write("f", "old");
  std::filesystem::create_directory(folder.path() / "f.new");

  EXPECT_FALSE(write_file_atomically(file, "new"));

  EXPECT_EQ(*read_file(file, 100), "old");
}

TEST(Files, ReadingIsBounded) {
  const sluice::testing::TemporaryFolder folder;
  const auto file = folder.write("f", "12345");

  EXPECT_EQ(*read_file(file, 5), "12345");
  EXPECT_EQ(read_file(file, 4).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(read_file(folder.path() / "none", 4).error().code, ErrorCode::kNotFound);
}

TEST(Files, NamedPipeDoesNotHangTheReader) {
  const sluice::testing::TemporaryFolder folder;
  const auto pipe = folder.path() / "queue.yaml";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);

  EXPECT_EQ(*read_file(pipe, 100), "");
}

TEST(DataFolder, SecondUserIsRefusedByNameUntilTheFirstIsGone) {
  const sluice::testing::TemporaryFolder folder;
  {
    const auto first = DataFolder::open(folder.path() / "data");
    ASSERT_TRUE(first);

    const auto second = DataFolder::open(folder.path() / "data");

    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kConflict);
    EXPECT_THAT(second.error().message,
                AllOf(HasSubstr("another `sluice dev`"), HasSubstr(std::to_string(::getpid()))));
  }
  EXPECT_TRUE(DataFolder::open(folder.path() / "data"));
}

TEST(DataFolder, BootNumbersNeverRepeat) {
  const sluice::testing::TemporaryFolder folder;
  std::uint32_t first = 0;
  {
    auto data = DataFolder::open(folder.path());
    first = *data->next_boot();
  }
  auto data = DataFolder::open(folder.path());

  EXPECT_EQ(*data->next_boot(), first + 1);
}

TEST(DataFolder, DamagedBootNumberStopsTheStart) {
  const sluice::testing::TemporaryFolder folder;
  folder.write("boot", "many");
  auto data = DataFolder::open(folder.path());

  EXPECT_EQ(data->next_boot().error().code, ErrorCode::kCorruption);
}

TEST(BoundedLog, KeepsTheLastLinesAndOnePredecessor) {
  const sluice::testing::TemporaryFolder folder;
  const auto path = folder.write("w.log", "of an earlier run\n");
  auto log = BoundedLog::open(path, 10);
  ASSERT_TRUE(log);
  EXPECT_EQ(*read_file(path.string() + ".1", 100), "of an earlier run\n");

  for (const char* line : {"1234", "5678", "abcd"}) log->write_line(line);

  EXPECT_EQ(*read_file(path.string() + ".1", 100), "1234\n5678\n");
  EXPECT_EQ(*read_file(path, 100), "abcd\n");
}

TEST(BoundedLog, OldestFilesArePruned) {
  const sluice::testing::TemporaryFolder folder;
  using Clock = std::filesystem::file_time_type::clock;
  for (int i = 0; i < 5; ++i) {
    const auto file = folder.write(std::to_string(i), "x");
    std::filesystem::last_write_time(file, Clock::time_point{} + std::chrono::hours{i});
  }

  prune_files(folder.path(), 2);

  EXPECT_FALSE(std::filesystem::exists(folder.path() / "2"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "3"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "4"));
}

}  // namespace
}  // namespace sluice::local
