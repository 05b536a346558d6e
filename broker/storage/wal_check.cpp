#include "broker/storage/wal_check.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

namespace sluice::broker {
namespace {

// The format of RocksDB's log (rocksdb/db/log_format.h): blocks of 32 KiB, each a sequence of
//   masked CRC-32C of type and data, 4 bytes · length, 2 bytes · type, 1 byte · data
// with the numbers in little-endian. A record never spans blocks; a log that is not recycled uses
// only types up to kTypeMax, and zeros fill the rest of a block.
constexpr std::size_t kBlockBytes = 32 * 1024;
constexpr std::size_t kHeaderBytes = 7;
constexpr std::uint8_t kTypeMax = 11;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

std::uint32_t masked_crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char c : bytes)
    crc = kCrcTable[(crc ^ static_cast<std::uint8_t>(c)) & 0xFF] ^ (crc >> 8);
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

// The size of the record at the beginning of `rest`, header included; absent where there is none.
std::optional<std::size_t> record_size(std::string_view rest) {
  if (rest.size() < kHeaderBytes) return std::nullopt;
  const auto type = static_cast<std::uint8_t>(rest[6]);
  const std::size_t size = kHeaderBytes + little_endian(rest.substr(4, 2));
  if (type == 0 || type > kTypeMax || size > rest.size()) return std::nullopt;
  return size;
}

bool is_whole_record(std::string_view rest) {
  const auto size = record_size(rest);
  return size && little_endian(rest.substr(0, 4)) == masked_crc32c(rest.substr(6, *size - 6));
}

bool holds_whole_record(std::string_view bytes) {
  for (; bytes.size() >= kHeaderBytes; bytes.remove_prefix(1)) {
    if (is_whole_record(bytes)) return true;
  }
  return false;
}

// What is left of the block after its last record.
std::string_view after_records(std::string_view block) {
  while (const auto size = record_size(block)) block.remove_prefix(*size);
  return block;
}

}  // namespace

// Checksums before the tear are RocksDB's to check.
bool records_follow_a_tear(std::istream& log) {
  std::string buffer(kBlockBytes, '\0');
  bool torn = false;
  while (log.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), log.gcount() > 0) {
    const std::string_view block(buffer.data(), static_cast<std::size_t>(log.gcount()));
    if (torn) {
      if (is_whole_record(block)) return true;
      continue;
    }
    const std::string_view rest = after_records(block);
    torn = rest.size() >= kHeaderBytes;  // fewer are padding
    if (torn && holds_whole_record(rest.substr(1))) return true;
  }
  return false;
}

Status check_folder(const std::string& path, LogRule rule) {
  bool has_current = false;
  bool has_tables = false;
  bool has_log = false;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    const std::string extension = entry.path().extension().string();
    has_current |= entry.path().filename() == "CURRENT";
    has_tables |= extension == ".sst";
    has_log |= extension == ".log";
    if (extension != ".log" && !entry.path().filename().string().starts_with("MANIFEST-")) continue;
    std::ifstream log(entry.path(), std::ios::binary);
    if (records_follow_a_tear(log)) {
      return Error{ErrorCode::kCorruption,
                   entry.path().string() + " is damaged: whole records follow one that is not"};
    }
  }
  if (!has_current && (has_tables || has_log)) {
    return Error{ErrorCode::kCorruption, path + " holds data, but its file CURRENT is missing"};
  }
  if (rule == LogRule::kRequired && has_tables && !has_log) {
    return Error{ErrorCode::kCorruption, path + " holds data, but its log is missing"};
  }
  return Ok{};
}

}  // namespace sluice::broker
