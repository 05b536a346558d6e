#include "broker/server/disk_guard.h"

#include <string>

namespace sluice::broker {

Status DiskGuard::check() {
  constexpr std::int64_t kEvery = Duration{std::chrono::seconds{1}}.count();
  const std::int64_t now = clock_.now().steady.time_since_epoch().count();
  std::int64_t asked_at = asked_at_.load(std::memory_order_relaxed);
  if (asked_at == INT64_MIN || now - asked_at >= kEvery) {
    // One thread asks; the others go on with the last answer.
    if (asked_at_.compare_exchange_strong(asked_at, now)) {
      full_.store(free_bytes_() < reserve_bytes_, std::memory_order_relaxed);
    }
  }
  if (!full_.load(std::memory_order_relaxed)) return Ok{};
  return Error{ErrorCode::kDiskFull, "the disk has less than its reserve of " +
                                         std::to_string(reserve_bytes_) + " bytes left"};
}

}  // namespace sluice::broker
