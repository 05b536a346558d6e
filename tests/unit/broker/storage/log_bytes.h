// Bytes in the form of RocksDB's log, for tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/storage/crc32c.h"

namespace sluice::broker {

inline std::string log_fragment(char type, std::string_view data) {
  std::string typed(1, type);
  typed += data;
  const std::uint32_t crc = crc32c(typed);
  const std::uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(masked >> 8 * i);
  for (int i = 0; i < 2; ++i) bytes += static_cast<char>(data.size() >> 8 * i);
  return bytes + typed;
}

// The record of `data` where `at` bytes of the log are before it.
inline std::string log_record(std::string_view data, std::size_t at = 0) {
  constexpr std::size_t kBlockBytes = 32 * 1024;
  constexpr std::size_t kHeaderBytes = 7;
  std::string bytes;
  bool is_first = true;
  while (true) {
    std::size_t room = kBlockBytes - (at + bytes.size()) % kBlockBytes;
    if (room < kHeaderBytes) {
      bytes += std::string(room, '\0');
      room = kBlockBytes;
    }
    const std::string_view part = data.substr(0, room - kHeaderBytes);
    data.remove_prefix(part.size());
    const bool is_last = data.empty();
    bytes += log_fragment(is_first ? (is_last ? 1 : 2) : (is_last ? 4 : 3), part);
    if (is_last) return bytes;
    is_first = false;
  }
}

}  // namespace sluice::broker
