#include "cli/local/manifest_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>

#include "tests/unit/cli/local/temporary_folder.h"

namespace sluice::local {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> paths(const std::vector<ManifestFile>& files) {
  std::vector<std::string> result;
  for (const ManifestFile& file : files) result.push_back(file.path);
  return result;
}

TEST(ManifestFolder, ReadsManifestsBelowSortedWithoutHiddenOnesAndData) {
  const sluice::testing::TemporaryFolder folder;
  for (const char* name : {"z.yaml", "a.yml", "sub/b.json", "readme.md", ".hidden.yaml",
                           ".git/c.yaml", "data/objects.json"}) {
    folder.write(name, "x");
  }

  const auto files = read_manifest_folder(folder.path(), folder.path() / "data");

  ASSERT_TRUE(files);
  EXPECT_THAT(paths(*files), ElementsAre("a.yml", "sub/b.json", "z.yaml"));
}

TEST(ManifestFolder, MissingFolderIsAnErrorThatNamesIt) {
  const auto files = read_manifest_folder("/nonexistent/manifests", "/nonexistent/data");

  ASSERT_FALSE(files);
  EXPECT_THAT(files.error().message, ::testing::HasSubstr("/nonexistent/manifests"));
}

TEST(ManifestFolder, TooLargeFileIsNamedAndTheOthersAreRead) {
  const sluice::testing::TemporaryFolder folder;
  folder.write("big.yaml", std::string(kManifestBytesMax + 1, '#'));
  folder.write("small.yaml", "x");

  const auto files = read_manifest_folder(folder.path(), folder.path() / "data");

  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 2u);
  EXPECT_FALSE((*files)[0].text);
  EXPECT_THAT((*files)[0].problem, ::testing::HasSubstr("larger than"));
}

TEST(ManifestFolder, TellsWhenAFileOfANewSubfolderAppears) {
  const sluice::testing::TemporaryFolder folder;
  std::promise<std::vector<ManifestFile>> changed;
  std::atomic<bool> told = false;
  ManifestFolder watched(folder.path(), folder.path() / "data", {},
                         [&](std::vector<ManifestFile> files) {
                           if (!told.exchange(true)) changed.set_value(std::move(files));
                         });

  folder.write("new/queue.yaml", "x");

  auto result = changed.get_future();
  ASSERT_EQ(result.wait_for(std::chrono::seconds{60}), std::future_status::ready);
  EXPECT_THAT(paths(result.get()), ElementsAre("new/queue.yaml"));
}

}  // namespace
}  // namespace sluice::local
