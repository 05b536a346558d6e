// 128-bit ids: time-ordered ones of our own and UUIDs that others made.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace sluice {

// Ordered as its printed form is.
struct Uuid {
  std::uint64_t hi = 0;
  std::uint64_t lo = 0;

  bool is_nil() const { return hi == 0 && lo == 0; }
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

// 8-4-4-4-12 lower-case hex digits.
std::string to_string(const Uuid& id);

// Absent unless `text` is exactly that form (either case).
std::optional<Uuid> parse_uuid(std::string_view text);

// Makes ids in the layout of RFC 9562 version 7: 48 bits of milliseconds, then the boot number and
// a counter, so that no two boots of one store make the same id whatever their clocks say. Ids of
// one source are strictly increasing, also when the clock is set back.
//
// Threads: not synchronized.
class IdSource {
 public:
  static constexpr std::uint32_t kBootMax = (1u << 24) - 1;

  // Requires: boot <= kBootMax.
  explicit IdSource(std::uint32_t boot);

  Uuid next(TimePoint now);

 private:
  std::uint32_t boot_;
  std::uint64_t last_ms_ = 0;
  std::uint64_t counter_ = 0;  // 50 bits, never reset within a boot
};

}  // namespace sluice

template <>
struct std::hash<sluice::Uuid> {
  std::size_t operator()(const sluice::Uuid& id) const noexcept {
    // Time-ordered ids differ in few bits, so both halves are mixed (splitmix64's finalizer).
    std::uint64_t x = id.hi * 0x9E3779B97F4A7C15ull ^ id.lo;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return static_cast<std::size_t>(x ^ (x >> 31));
  }
};
