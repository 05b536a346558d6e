// The header Retry-After.
#pragma once

#include <optional>
#include <string_view>

#include "common/base/clock.h"

namespace sluice::http {

// Seconds from `now`, at least 0 and at most a year: of a number of seconds or a date (RFC 9110,
// 10.2.3). Absent when the text is neither.
std::optional<int> parse_retry_after(std::string_view text, TimePoint now);

}  // namespace sluice::http
