#include "common/http/watched_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace sluice::http {
namespace {

bool is_same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         is_same(a.st_mtim, b.st_mtim) && is_same(a.st_ctim, b.st_ctim);
}

Error cannot_read(const std::string& path, const std::string& why) {
  return {ErrorCode::kUnavailable, "cannot read " + path + ": " + why};
}

Error cannot_read(const std::string& path) {
  return cannot_read(path, std::generic_category().message(errno));
}

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (number_ >= 0) close(number_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

WatchedFile::WatchedFile(std::string path) : path_(std::move(path)) {}

Result<bool> WatchedFile::refresh() {
  struct stat now{};
  if (stat(path_.c_str(), &now) != 0) return cannot_read(path_);
  if (seen_ && is_same(*seen_, now)) return false;
  if (Status read = reread(); !read) return std::move(read).error();
  return true;
}

Status WatchedFile::reread() {
  const OpenFile file(path_);
  struct stat now{};
  if (file.number() < 0 || fstat(file.number(), &now) != 0) return cannot_read(path_);

  std::string text;
  char chunk[4096];
  for (;;) {
    const ssize_t count = read(file.number(), chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot_read(path_);
    if (count == 0) break;
    text.append(chunk, static_cast<std::size_t>(count));
    if (text.size() > kBytesMax) return cannot_read(path_, "it is too large");
  }
  text_ = std::move(text);
  seen_ = now;
  return Ok{};
}

}  // namespace sluice::http
