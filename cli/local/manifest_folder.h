// A folder of manifests, read again whenever something in it changes.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "cli/local/files.h"
#include "cli/local/manifest_set.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::local {

inline constexpr std::size_t kManifestBytesMax = 16 * 1024 * 1024;  // a file
inline constexpr std::size_t kManifestFilesMax = 20'000;

// Every *.yaml, *.yml and *.json below `folder`, sorted by path. Entries that start with a dot,
// folders behind symbolic links and `data_folder` are left out.
Result<std::vector<ManifestFile>> read_manifest_folder(const std::filesystem::path& folder,
                                                       const std::filesystem::path& data_folder);

// Calls back, from a thread of its own, with all files whenever one differs from the last time. It
// follows inotify, and looks by itself now and then, because not every file system tells.
class ManifestFolder {
 public:
  using OnChange = std::function<void(std::vector<ManifestFile>)>;

  // `last` is what the caller has seen already.
  ManifestFolder(std::filesystem::path folder, std::filesystem::path data_folder,
                 std::vector<ManifestFile> last, OnChange on_change);
  ~ManifestFolder();
  ManifestFolder(const ManifestFolder&) = delete;
  ManifestFolder& operator=(const ManifestFolder&) = delete;

 private:
  void run();
  void watch_folders();
  bool wait_for_change();  // false: stopping
  void drain_events();
  void look();

  const std::filesystem::path folder_;
  const std::filesystem::path data_folder_;
  std::vector<ManifestFile> last_;
  OnChange on_change_;
  Fd stop_;
  Fd inotify_;  // none: only the slow look is left
  std::thread thread_;
};

}  // namespace sluice::local
