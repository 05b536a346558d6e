// Whether the disk still has its reserve.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::broker {

// Asks the file system at most once a second, whatever the number of requests. Any thread.
class DiskGuard {
 public:
  using FreeBytes = std::function<std::uint64_t()>;

  DiskGuard(FreeBytes free_bytes, const Clock& clock, std::uint64_t reserve_bytes)
      : free_bytes_(std::move(free_bytes)), clock_(clock), reserve_bytes_(reserve_bytes) {}

  // kDiskFull below the reserve: only what lets jobs end may still be written.
  Status check();

 private:
  const FreeBytes free_bytes_;
  const Clock& clock_;
  const std::uint64_t reserve_bytes_;
  std::atomic<std::int64_t> asked_at_{INT64_MIN};  // steady, microseconds
  std::atomic<bool> full_{false};
};

}  // namespace sluice::broker
