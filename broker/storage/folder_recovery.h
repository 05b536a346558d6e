// What a crash leaves in a data folder is seen to, damage is told from it.
#pragma once

#include <string>

#include "common/base/result.h"

namespace sluice::broker {

// Whether tables may stand without a log: in a checkpoint of a store that was idle they do.
enum class LogRule { kRequired, kOptional };

// Makes the log end with the last batch that is whole and follows only whole ones, and likewise the
// manifest: a power cut leaves what was not synced torn, with holes, or in zeros, and a killed
// process leaves zeros. What is cut off is so on disk when this returns. A folder without a store
// is Ok.
//
// kCorruption, and nothing is changed, when something is not whole or not there that was on disk
// before something else was written: that takes more than a power cut. RocksDB would open some of
// that without a word. Damage in the last batch cannot be told from a torn write. kUnavailable when
// a file cannot be read or cut.
//
// Requires: no process has the store open.
Status recover_folder(const std::string& path, LogRule rule = LogRule::kRequired);

}  // namespace sluice::broker
