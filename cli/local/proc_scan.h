// What runs on this machine, as /proc tells it.
#pragma once

#include <string_view>
#include <vector>

namespace sluice::local {

// Processes in whose environment `entry` ("NAME=VALUE") stands; those of other users are not seen.
std::vector<int> processes_with_environment(std::string_view entry);

// Direct children, zombies left out.
std::vector<int> children_of(int parent);

}  // namespace sluice::local
