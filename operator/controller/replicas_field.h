// spec.replicas of a Queue, as text: read and set without touching anything else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::op {

// Absent when the field is, or is no whole number.
std::optional<int> replicas_of(std::string_view spec_json);
// `spec_json` itself when it is not a JSON object.
std::string without_replicas(std::string_view spec_json);
std::string with_replicas(std::string_view spec_json, int replicas);

}  // namespace sluice::op
