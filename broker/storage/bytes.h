// The primitive encodings of the storage format, and their strict reader (docs/storage-format.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::broker {

// Appends to a string it borrows.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  // Seven bits a byte, lowest first, the top bit says that more follow.
  void varint(std::uint64_t value) {
    while (value >= 0x80) {
      u8(static_cast<std::uint8_t>(value | 0x80));
      value >>= 7;
    }
    u8(static_cast<std::uint8_t>(value));
  }
  // Zigzag: small numbers of either sign are short.
  void svarint(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    varint((bits << 1) ^ (value < 0 ? ~std::uint64_t{0} : 0));
  }
  void fixed64(std::uint64_t value) { big_endian<8>(value); }
  void fixed32(std::uint32_t value) { big_endian<4>(value); }
  void raw(std::string_view bytes) { out_.append(bytes); }
  void raw(std::span<const std::uint8_t> bytes) {
    out_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  // Length, then the bytes.
  void text(std::string_view bytes) {
    varint(bytes.size());
    raw(bytes);
  }

 private:
  template <int kSize>
  void big_endian(std::uint64_t value) {
    char bytes[kSize];
    for (int i = 0; i < kSize; ++i) bytes[i] = static_cast<char>(value >> 8 * (kSize - 1 - i));
    out_.append(bytes, kSize);
  }

  std::string& out_;
};

// Reads what ByteWriter wrote. The first mistake sticks: from then on every read gives zero or
// nothing, and finish() says what was wrong. Safe on any bytes.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t u8(const char* what) {
    if (!need(1, what)) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  // Only the shortest form is taken, so that a record has one encoding.
  std::uint64_t varint(const char* what) {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = u8(what);
      if (failed()) return 0;
      const std::uint64_t bits = byte & 0x7F;
      if (shift == 63 && bits > 1) break;
      value |= bits << shift;
      if (byte < 0x80) {
        if (byte == 0 && shift > 0) break;
        return value;
      }
    }
    fail(what, "is not a varint");
    return 0;
  }
  std::int64_t svarint(const char* what) {
    const std::uint64_t bits = varint(what);
    return static_cast<std::int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
  }
  std::uint32_t varint32(const char* what) {
    const std::uint64_t value = varint(what);
    if (value > std::numeric_limits<std::uint32_t>::max()) fail(what, "is out of range");
    return failed() ? 0 : static_cast<std::uint32_t>(value);
  }
  int svarint32(const char* what) {
    const std::int64_t value = svarint(what);
    if (value > std::numeric_limits<int>::max() || value < std::numeric_limits<int>::min()) {
      fail(what, "is out of range");
    }
    return failed() ? 0 : static_cast<int>(value);
  }
  std::uint64_t fixed64(const char* what) { return big_endian(8, what); }
  std::uint32_t fixed32(const char* what) {
    return static_cast<std::uint32_t>(big_endian(4, what));
  }
  // How many elements follow, each of at least `element_bytes_min`: never more than can be there.
  std::size_t count(std::size_t element_bytes_min, const char* what) {
    const std::uint64_t value = varint(what);
    if (value > rest_.size() / element_bytes_min) fail(what, "is cut short");
    return failed() ? 0 : static_cast<std::size_t>(value);
  }
  std::string_view raw(std::size_t size, const char* what) {
    if (!need(size, what)) return {};
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string_view text(const char* what) { return raw(count(1, what), what); }
  std::string_view rest() {
    const std::string_view bytes = rest_;
    rest_ = {};
    return bytes;
  }

  // `what` and `problem` are constants.
  void fail(const char* what, const char* problem) {
    if (failed()) return;
    what_ = what;
    problem_ = problem;
    rest_ = {};
  }
  bool failed() const { return what_ != nullptr; }

  // kCorruption when something was wrong or bytes are left over. `record` names the kind.
  Status finish(const char* record) {
    if (!rest_.empty()) fail("end", "is followed by more bytes");
    if (!failed()) return Ok{};
    return Error{ErrorCode::kCorruption,
                 std::string(record) + " record: " + what_ + " " + problem_};
  }

 private:
  bool need(std::size_t size, const char* what) {
    if (rest_.size() < size) fail(what, "is cut short");
    return !failed();
  }
  std::uint64_t big_endian(std::size_t size, const char* what) {
    std::uint64_t value = 0;
    for (const char c : raw(size, what)) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
  }

  std::string_view rest_;
  const char* what_ = nullptr;
  const char* problem_ = nullptr;
};

}  // namespace sluice::broker
