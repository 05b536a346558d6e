// The lines of `sluice export`: a job each, as it is enqueued again.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::cli {

// The line of a job as the broker shows it, without its newline; the payload keeps its bytes but
// for newlines, which become blanks. Absent for a job without a payload: it ended meanwhile.
// Requires: JSON text.
std::optional<std::string> export_line(std::string_view job);

// The body that enqueues the job of a line under the id it has. kInvalidArgument.
Result<std::string> import_body(std::string_view line);

}  // namespace sluice::cli
