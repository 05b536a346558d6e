// Follow-up jobs, as handlers give them. Here they are objects within bounds; what their members
// may be the broker knows.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice::worker {

// The broker takes as many with a settlement, and with them 16 MiB in one call.
constexpr std::size_t kFollowUpsMax = 100;
constexpr std::size_t kFollowUpBytesMax = 8 * 1024 * 1024;  // of one run

// The bodies of jobs, JSON texts.
using FollowUps = std::vector<std::string>;

// One a line; blank lines count as lines and are no jobs. The error's message names the line.
Result<FollowUps> parse_follow_up_lines(std::string_view text);

// The elements of an array, whose JSON the caller has checked. The error's message names the
// element.
Result<FollowUps> parse_follow_up_array(std::string_view array_json);

std::string too_many_follow_up_bytes();  // a message

}  // namespace sluice::worker
