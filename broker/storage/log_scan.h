// Reads RocksDB's log format, also past damage.
#pragma once

#include <cstdint>
#include <istream>
#include <string_view>

#include "broker/storage/log_mark.h"

namespace sluice::broker {

struct LogContent {
  std::uint64_t bytes = 0;  // read in all
  // The end of the last record that is whole and follows nothing but whole ones.
  std::uint64_t whole_bytes = 0;
  // Something other than zeros is behind that.
  bool is_torn = false;
  // The farthest that any whole record, also one behind a tear, says was on disk before it. In a
  // log without marks each says so of all that is before it.
  LogPosition synced;
  // What the first record says was written before it, if it is whole.
  LogPosition first_written;
};

// Reads `log`, whose number is `file`, to its end. Checks every checksum. Behind a
// tear it looks for records at every byte, so a payload may look like one: there a mark counts only
// where it says that its batch is at this place.
LogContent scan_log(std::istream& log, std::uint64_t file);

// Whether `rest`, which begins with the last record of a log without marks, at `begin`, is what an
// append leaves that a power cut interrupts: it ends too early, or sectors of it are zeros.
// Anything else is damage.
bool is_torn_append(std::string_view rest, std::uint64_t begin);

}  // namespace sluice::broker
