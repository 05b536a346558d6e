// What every batch in the log says about the log before it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::broker {

// A place between two records: `offset` bytes of log file number `file`. Zeros: before all of them.
struct LogPosition {
  std::uint64_t file = 0;
  std::uint64_t offset = 0;
  auto operator<=>(const LogPosition&) const = default;
};

// Taken when a batch is written. With it a start can tell what a power cut may have taken from what
// it cannot.
struct LogMark {
  LogPosition synced;   // everything before it was on disk
  LogPosition written;  // where this process wrote last
  bool operator==(const LogMark&) const = default;
};

// Four bytes that name it and four numbers.
inline constexpr std::size_t kLogMarkBytes = 4 + 4 * 8;

std::string encode_mark(const LogMark& mark);
// The mark that `batch` ends with; absent where there is none.
std::optional<LogMark> mark_at_end(std::string_view batch);

}  // namespace sluice::broker
