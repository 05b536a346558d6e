#include "cli/local/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace sluice::local {
namespace {

Status write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write");
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return Ok{};
}

Status sync_folder(const std::filesystem::path& folder) {
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return system_error(folder.string());
  return Ok{};
}

}  // namespace

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Error system_error(std::string_view what) {
  const int number = errno;
  return {number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
          std::string(what) + ": " + std::generic_category().message(number)};
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  // O_NONBLOCK: a named pipe called queue.yaml must not hang us.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return system_error(path.string());
  std::string content;
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(path.string());
    if (n == 0) return content;
    content.append(buffer, static_cast<std::size_t>(n));
    if (content.size() > bytes_max) {
      return Error{ErrorCode::kTooLarge,
                   path.string() + ": larger than " + std::to_string(bytes_max) + " bytes"};
    }
  }
}

Status write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path temporary = path.string() + ".new";
  {
    const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return system_error(temporary.string());
    if (Status written = write_all(fd.get(), content); !written) {
      return Error{written.error().code, temporary.string() + ": " + written.error().message};
    }
    if (::fsync(fd.get()) != 0) return system_error(temporary.string());
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return system_error(path.string());
  return sync_folder(path.parent_path().empty() ? "." : path.parent_path());
}

Status make_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Error{ErrorCode::kUnavailable, path.string() + ": " + error.message()};
  return Ok{};
}

}  // namespace sluice::local
