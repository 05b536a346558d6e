#include "common/base/ids.h"

#include <algorithm>

#include "common/base/check.h"

namespace sluice {
namespace {

constexpr std::size_t kTextLength = 36;
constexpr int kBootBits = 24;
constexpr int kCounterBits = 50;
constexpr int kBootBitsInHi = 12;  // behind the version, as RFC 9562's rand_a
constexpr int kBootBitsInLo = kBootBits - kBootBitsInHi;
constexpr std::uint64_t kMillisMax = (std::uint64_t{1} << 48) - 1;
constexpr std::uint64_t kVersion7 = std::uint64_t{7} << 12;
constexpr std::uint64_t kVariant = std::uint64_t{0b10} << 62;

static_assert(kBootBitsInLo + kCounterBits == 62);

constexpr bool is_dash_position(std::size_t at) {
  return at == 8 || at == 13 || at == 18 || at == 23;
}

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_string(const Uuid& id) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text(kTextLength, '-');
  int nibble = 0;
  for (std::size_t at = 0; at < kTextLength; ++at) {
    if (is_dash_position(at)) continue;
    const std::uint64_t half = nibble < 16 ? id.hi : id.lo;
    text[at] = kHex[(half >> (60 - 4 * (nibble % 16))) & 0xF];
    ++nibble;
  }
  return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != kTextLength) return std::nullopt;
  Uuid id;
  int nibble = 0;
  for (std::size_t at = 0; at < kTextLength; ++at) {
    if (is_dash_position(at)) {
      if (text[at] != '-') return std::nullopt;
      continue;
    }
    const int value = hex_value(text[at]);
    if (value < 0) return std::nullopt;
    std::uint64_t& half = nibble < 16 ? id.hi : id.lo;
    half = half << 4 | static_cast<std::uint64_t>(value);
    ++nibble;
  }
  return id;
}

IdSource::IdSource(std::uint32_t boot) : boot_(boot) {
  CHECK(boot <= kBootMax);
}

Uuid IdSource::next(TimePoint now) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch().count();
  const std::uint64_t wanted = millis > 0 ? static_cast<std::uint64_t>(millis) : 0;
  last_ms_ = std::min(std::max(last_ms_, wanted), kMillisMax);
  ++counter_;
  CHECK(counter_ >> kCounterBits == 0);

  const std::uint64_t boot = boot_;
  const std::uint64_t boot_low = boot & ((std::uint64_t{1} << kBootBitsInLo) - 1);
  return {.hi = last_ms_ << 16 | kVersion7 | boot >> kBootBitsInLo,
          .lo = kVariant | boot_low << kCounterBits | counter_};
}

}  // namespace sluice
