#include "broker/storage/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace sluice::broker {
namespace {

std::error_code last_error() {
  return {errno, std::generic_category()};
}

}  // namespace

Error file_error(std::string_view doing, const std::filesystem::path& path,
                 const std::error_code& error) {
  const bool is_full = error == std::errc::no_space_on_device || error.value() == EDQUOT;
  return {is_full ? ErrorCode::kDiskFull : ErrorCode::kUnavailable,
          "cannot " + std::string(doing) + " " + path.string() + ": " + error.message()};
}

Status sync_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return file_error("open", path, last_error());
  const bool is_synced = ::fsync(fd) == 0;
  const std::error_code error = last_error();
  ::close(fd);
  if (!is_synced) return file_error("sync", path, error);
  return Ok{};
}

Status sync_tree(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (Status status = sync_file(entry.path()); !status) return status;
  }
  if (error) return file_error("read", folder, error);
  return sync_file(folder);
}

Status write_file(const std::filesystem::path& path, std::string_view bytes) {
  {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush();
    if (!out) return file_error("write", path, last_error());
  }
  return sync_file(path);
}

Status copy_file_synced(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::copy_file(from, to, error);
  if (error) return file_error("copy", from, error);
  return sync_file(to);
}

}  // namespace sluice::broker
