#include "broker/storage/log_file_system.h"

#include <rocksdb/file_system.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"

namespace sluice::broker {
namespace {

using rocksdb::IOOptions;

class LogFileSystemTest : public ::testing::Test {
 protected:
  std::unique_ptr<rocksdb::FSWritableFile> make(const std::string& name) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    EXPECT_TRUE(files_->NewWritableFile(path(name), {}, &file, nullptr).ok());
    return file;
  }
  std::string path(const std::string& name) const { return folder_.path() / name; }
  std::uint64_t size_on_disk(const std::string& name) const {
    return std::filesystem::file_size(path(name));
  }
  std::uint64_t size_told(const std::string& name) const {
    std::uint64_t bytes = 0;
    EXPECT_TRUE(files_->GetFileSize(path(name), {}, &bytes, nullptr).ok());
    return bytes;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void append(rocksdb::FSWritableFile& file, const std::string& bytes) {
    ASSERT_TRUE(file.Append(bytes, {}, nullptr).ok());
  }

  testing::TemporaryFolder folder_;
  std::shared_ptr<LogProgress> progress_ = std::make_shared<LogProgress>();
  std::shared_ptr<rocksdb::FileSystem> files_ =
      make_log_file_system(rocksdb::FileSystem::Default(), folder_.path(), progress_);
};

TEST_F(LogFileSystemTest, SmallWritesFindTheFileLongEnough) {
  const auto log = make("000004.log");
  append(*log, "a");
  const std::uint64_t size = size_on_disk("000004.log");
  ASSERT_GT(size, 100'000u);

  for (int i = 0; i < 1'000; ++i) append(*log, std::string(100, 'b'));

  EXPECT_EQ(size_on_disk("000004.log"), size);
  EXPECT_EQ(read("000004.log").substr(0, 100'001), "a" + std::string(100'000, 'b'));
  EXPECT_EQ(read("000004.log").find_first_not_of('\0', 100'001), std::string::npos);
}

TEST_F(LogFileSystemTest, WritesOverTheEndKeepEveryByte) {
  std::string want;
  {
    const auto log = make("000004.log");
    for (std::size_t i = 0; want.size() < 3'000'000; ++i) {
      const std::string bytes(1 + i * 7'919 % 300'000, static_cast<char>('a' + i % 26));
      append(*log, bytes);
      want += bytes;
    }
    EXPECT_EQ(log->GetFileSize({}, nullptr), want.size());
    ASSERT_TRUE(log->Close({}, nullptr).ok());
  }
  EXPECT_EQ(read("000004.log"), want);
}

TEST_F(LogFileSystemTest, SizeIsToldWithoutTheZeros) {
  const auto log = make("000004.log");
  append(*log, "four");
  EXPECT_EQ(size_told("000004.log"), 4u);

  ASSERT_TRUE(log->Close({}, nullptr).ok());

  EXPECT_EQ(size_told("000004.log"), 4u);
  EXPECT_EQ(size_on_disk("000004.log"), 4u);
}

TEST_F(LogFileSystemTest, MarkFollowsWritesAndSyncs) {
  EXPECT_EQ(progress_->begin_batch(), LogMark{});
  const auto first = make("000004.log");
  append(*first, "four");
  EXPECT_EQ(progress_->begin_batch(), (LogMark{.synced = {}, .written = {4, 4}}));
  ASSERT_TRUE(first->Sync({}, nullptr).ok());
  append(*first, "more");
  EXPECT_EQ(progress_->begin_batch(), (LogMark{.synced = {4, 4}, .written = {4, 8}}));

  const auto second = make("000007.log");
  append(*second, "x");
  ASSERT_TRUE(first->Sync({}, nullptr).ok());
  EXPECT_EQ(progress_->begin_batch(), (LogMark{.synced = {4, 8}, .written = {7, 1}}));
  ASSERT_TRUE(second->Sync({}, nullptr).ok());
  ASSERT_TRUE(first->Sync({}, nullptr).ok());
  EXPECT_EQ(progress_->begin_batch(), (LogMark{.synced = {7, 1}, .written = {7, 1}}));
}

// A checkpoint syncs the log whenever it likes.
TEST_F(LogFileSystemTest, SyncInTheMiddleOfABatchSaysNothingOfIt) {
  const auto log = make("000004.log");
  append(*log, "four");
  (void)progress_->begin_batch();
  append(*log, "half");
  ASSERT_TRUE(log->Sync({}, nullptr).ok());
  append(*log, "half");
  EXPECT_EQ(progress_->begin_batch(), (LogMark{.synced = {4, 4}, .written = {4, 12}}));
  ASSERT_TRUE(log->Sync({}, nullptr).ok());
  EXPECT_EQ(progress_->begin_batch(), (LogMark{.synced = {4, 12}, .written = {4, 12}}));
}

// Their names are those of the logs they are copies of.
TEST_F(LogFileSystemTest, LogsOfACheckpointAreNotTheStores) {
  std::filesystem::create_directory(path("copy"));
  const auto log = make("000004.log");
  append(*log, "four");

  const auto copy = make("copy/000004.log");
  append(*copy, "copied");
  ASSERT_TRUE(copy->Sync({}, nullptr).ok());

  EXPECT_EQ(size_on_disk("copy/000004.log"), 6u);
  EXPECT_EQ(progress_->begin_batch(), (LogMark{.synced = {}, .written = {4, 4}}));
  EXPECT_EQ(size_told("000004.log"), 4u);
}

// A link would have the zeros, and lose them when the log is closed.
TEST_F(LogFileSystemTest, OnlyAClosedLogIsLinked) {
  const auto log = make("000004.log");
  append(*log, "four");
  EXPECT_TRUE(files_->LinkFile(path("000004.log"), path("a"), {}, nullptr).IsNotSupported());

  ASSERT_TRUE(log->Close({}, nullptr).ok());

  EXPECT_TRUE(files_->LinkFile(path("000004.log"), path("a"), {}, nullptr).ok());
  EXPECT_EQ(size_on_disk("a"), 4u);
}

TEST_F(LogFileSystemTest, OtherFilesAreWrittenAsTheyAre) {
  for (const char* name : {"000005.sst", "MANIFEST-000003", "LOG", "old.log"}) {
    SCOPED_TRACE(name);
    const auto file = make(name);
    append(*file, "four");
    ASSERT_TRUE(file->Flush({}, nullptr).ok());
    EXPECT_EQ(size_on_disk(name), 4u);
  }
  EXPECT_EQ(progress_->begin_batch(), LogMark{});
}

}  // namespace
}  // namespace sluice::broker
