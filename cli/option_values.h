// Values of options that more than one command takes.
#pragma once

#include <string>
#include <vector>

#include "common/api/resources.h"

namespace sluice::cli {

// Each tells what is wrong, or "" when nothing is.
std::string mistake_in_moment(const std::string& text);                               // RFC 3339
std::string read_labels(const std::vector<std::string>& pairs, api::Labels& labels);  // NAME=VALUE

}  // namespace sluice::cli
