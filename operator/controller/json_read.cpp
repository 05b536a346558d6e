#include "operator/controller/json_read.h"

#include <nlohmann/json.hpp>

namespace sluice::op {

using nlohmann::json;

json parse_json(std::string_view text) {
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string dump_json(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool is_same_json(std::string_view a, std::string_view b) {
  return a == b || parse_json(a) == parse_json(b);
}

const json& member(const json& value, const char* name) {
  static const json kNull;
  if (!value.is_object()) return kNull;
  const auto it = value.find(name);
  return it == value.end() ? kNull : *it;
}

std::string text_at(const json& value, const char* name) {
  const json& found = member(value, name);
  return found.is_string() ? found.get_ref<const std::string&>() : std::string();
}

std::int64_t integer_at(const json& value, const char* name, std::int64_t absent) {
  const json& found = member(value, name);
  return found.is_number_integer() ? found.get<std::int64_t>() : absent;
}

bool bool_at(const json& value, const char* name) {
  const json& found = member(value, name);
  return found.is_boolean() && found.get<bool>();
}

std::optional<TimePoint> time_at(const json& value, const char* name) {
  const json& found = member(value, name);
  if (!found.is_string()) return std::nullopt;
  return parse_rfc3339(found.get_ref<const std::string&>());
}

}  // namespace sluice::op
