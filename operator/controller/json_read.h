// Reading JSON that others wrote, without exceptions: what is missing or of another type is the
// default. Where that would be wrong, the codec checks first.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace sluice::op {

// Discarded (is_discarded()) when `text` is not JSON.
nlohmann::json parse_json(std::string_view text);
// Always valid UTF-8; bytes that are not are replaced.
std::string dump_json(const nlohmann::json& value);
// Whether both are the same value: an API server writes 1.0 as 1, and members in its own order.
bool is_same_json(std::string_view a, std::string_view b);

// `value[name]`, or a null when there is none.
const nlohmann::json& member(const nlohmann::json& value, const char* name);
std::string text_at(const nlohmann::json& value, const char* name);
std::int64_t integer_at(const nlohmann::json& value, const char* name, std::int64_t absent = 0);
bool bool_at(const nlohmann::json& value, const char* name);
std::optional<TimePoint> time_at(const nlohmann::json& value, const char* name);

}  // namespace sluice::op
