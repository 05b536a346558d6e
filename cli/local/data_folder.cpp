#include "cli/local/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <system_error>

#include "common/base/ids.h"

namespace sluice::local {
namespace {

constexpr std::size_t kNumberBytesMax = 64;

std::string holder(const std::filesystem::path& lock) {
  const auto pid = read_file(lock, kNumberBytesMax);
  return pid && !pid->empty() ? " (process " + pid->substr(0, pid->find('\n')) + ")" : "";
}

}  // namespace

Result<DataFolder> DataFolder::open(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();
  if (error) return Error{ErrorCode::kUnavailable, path.string() + ": " + error.message()};
  if (Status made = make_folder(absolute); !made) return std::move(made).error();

  const std::filesystem::path lock_path = absolute / "lock";
  Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return system_error(lock_path.string());
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error(lock_path.string());
    return Error{ErrorCode::kConflict, "another `sluice dev`" + holder(lock_path) +
                                           " uses the data folder " + absolute.string() +
                                           ": end it, or choose another folder with --data"};
  }
  // The lock is the flock; the number in the file only serves the message above.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
    return system_error(lock_path.string());
  }

  DataFolder data(absolute, std::move(lock));
  if (Status made = make_folder(data.worker_logs()); !made) return std::move(made).error();
  // Manifests are often under version control, what we keep beside them should not be.
  const std::filesystem::path ignore = absolute / ".gitignore";
  if (!std::filesystem::exists(ignore, error)) {
    if (Status written = write_file_atomically(ignore, "*\n"); !written) {
      return std::move(written).error();
    }
  }
  return data;
}

Result<std::uint32_t> DataFolder::next_boot() {
  const std::filesystem::path file = path_ / "boot";
  std::uint32_t boot = 0;
  if (const auto text = read_file(file, kNumberBytesMax)) {
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), boot);
    if (parsed.ec != std::errc{} || boot >= IdSource::kBootMax) {
      return Error{ErrorCode::kCorruption, file.string() + ": not a boot number"};
    }
  } else if (text.error().code != ErrorCode::kNotFound) {
    return text.error();
  }
  ++boot;
  if (Status written = write_file_atomically(file, std::to_string(boot) + "\n"); !written) {
    return std::move(written).error();
  }
  return boot;
}

}  // namespace sluice::local
