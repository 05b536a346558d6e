// A file that others replace while we run.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace sluice::http {

// The text of a small file, read again when the file behind its path has changed: by its inode,
// size and times, through symbolic links, which is how mounted Secrets and tokens are swapped.
//
// Threads: not synchronized.
class WatchedFile {
 public:
  static constexpr std::size_t kBytesMax = 1024 * 1024;

  explicit WatchedFile(std::string path);

  // Looks (one stat), and reads what is new. Whether text() has been read anew; kUnavailable when
  // it cannot be: text() stays what it was.
  Result<bool> refresh();
  // Reads whatever the stat says: two changes within one tick of the file system's clock look like
  // one.
  Status reread();

  const std::string& path() const { return path_; }
  const std::string& text() const { return text_; }

 private:
  std::string path_;
  std::string text_;
  std::optional<struct stat> seen_;
};

}  // namespace sluice::http
