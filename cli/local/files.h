// The few file operations of local mode whose failure modes matter.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/result.h"

namespace sluice::local {

// Closes its descriptor when it goes.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// "WHAT: the system's reason", from errno; kNotFound for ENOENT, kUnavailable otherwise.
Error system_error(std::string_view what);

// kTooLarge above `bytes_max`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max);

// Either the old content or the new one is there, also after a power loss; on disk when this
// returns.
Status write_file_atomically(const std::filesystem::path& path, std::string_view content);

// With its parents.
Status make_folder(const std::filesystem::path& path);

}  // namespace sluice::local
