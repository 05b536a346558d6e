// Log files of child processes that never grow without end.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "cli/local/files.h"
#include "common/base/result.h"

namespace sluice::local {

// PATH and one predecessor, PATH.1: at most twice `bytes_max` on disk. What cannot be written is
// dropped, because a full disk must not stop the work.
//
// Threads: not synchronized.
class BoundedLog {
 public:
  // Keeps what an earlier process left at `path` as its predecessor.
  static Result<BoundedLog> open(std::filesystem::path path, std::size_t bytes_max);

  // Adds the newline.
  void write_line(std::string_view line);

 private:
  BoundedLog(std::filesystem::path path, std::size_t bytes_max)
      : path_(std::move(path)), bytes_max_(bytes_max) {}

  Status rotate();

  std::filesystem::path path_;
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  Fd fd_;
};

// Deletes the oldest regular files of `folder` until at most `files_max` are left.
void prune_files(const std::filesystem::path& folder, std::size_t files_max);

}  // namespace sluice::local
