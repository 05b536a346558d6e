#include "broker/storage/crc32c.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace sluice::broker {
namespace {

constexpr std::size_t kStep = 8;
using Tables = std::array<std::array<std::uint32_t, 256>, kStep>;

// Table k holds the checksum of a byte with k zeros behind it ("slicing by 8").
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0);
    tables[0][i] = crc;
  }
  for (std::size_t k = 1; k < kStep; ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint32_t before = tables[k - 1][i];
      tables[k][i] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static_assert(std::endian::native == std::endian::little);
  std::uint32_t crc = ~0u;
  for (; bytes.size() >= kStep; bytes.remove_prefix(kStep)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), kStep);
    word ^= crc;
    crc = 0;
    for (std::size_t i = 0; i < kStep; ++i) {
      crc ^= kTables[kStep - 1 - i][word >> (8 * i) & 0xFF];
    }
  }
  for (const char c : bytes) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<std::uint8_t>(c)) & 0xFF];
  }
  return ~crc;
}

}  // namespace sluice::broker
