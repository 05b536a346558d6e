// Damage in the data folder that RocksDB would open without a word.
#pragma once

#include <istream>
#include <string>

#include "common/base/result.h"

namespace sluice::broker {

// Whether tables may stand without a log: in a checkpoint of a store that was idle they do.
enum class LogRule { kRequired, kOptional };

// kCorruption when the file that names the current state or the log is gone though data is there
// (RocksDB would begin anew), or when a log is damaged where RocksDB would see its end: it takes a
// record that reaches past the end of the file for the incomplete last one, and zeros for padding,
// so that one flipped bit in a length would drop every record after it. The manifest is such a log
// too: what it drops are tables, whose logs are gone. A folder without a store is Ok.
Status check_folder(const std::string& path, LogRule rule = LogRule::kRequired);

// Whether a whole record with a valid checksum follows the point at which `log` stops making sense.
bool records_follow_a_tear(std::istream& log);

}  // namespace sluice::broker
