#include "cli/local/bounded_log.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <system_error>
#include <utility>
#include <vector>

namespace sluice::local {

Result<BoundedLog> BoundedLog::open(std::filesystem::path path, std::size_t bytes_max) {
  BoundedLog log(std::move(path), bytes_max);
  if (Status rotated = log.rotate(); !rotated) return std::move(rotated).error();
  return log;
}

Status BoundedLog::rotate() {
  const std::string before = path_.string() + ".1";
  // Nothing there yet is the usual case.
  static_cast<void>(std::rename(path_.c_str(), before.c_str()));
  fd_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  bytes_ = 0;
  if (!fd_) return system_error(path_.string());
  return Ok{};
}

void BoundedLog::write_line(std::string_view line) {
  if (bytes_ + line.size() + 1 > bytes_max_ && bytes_ > 0 && !rotate()) return;
  char newline = '\n';
  const iovec parts[] = {{const_cast<char*>(line.data()), line.size()}, {&newline, 1}};
  const ssize_t n = ::writev(fd_.get(), parts, 2);
  if (n > 0) bytes_ += static_cast<std::size_t>(n);
}

void prune_files(const std::filesystem::path& folder, std::size_t files_max) {
  using Entry = std::pair<std::filesystem::file_time_type, std::filesystem::path>;
  std::vector<Entry> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (!it->is_regular_file(ignored)) continue;
    files.emplace_back(it->last_write_time(ignored), it->path());
  }
  if (files.size() <= files_max) return;
  std::sort(files.begin(), files.end());
  files.resize(files.size() - files_max);
  for (const Entry& file : files) std::filesystem::remove(file.second, error);
}

}  // namespace sluice::local
