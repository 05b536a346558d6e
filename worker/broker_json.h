// What the broker takes as JSON inside a settlement.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::worker {

// Why the broker would not take `text`, "is no JSON (at byte 3)"; absent when it would.
std::optional<std::string> fault_for_broker(std::string_view text);

}  // namespace sluice::worker
