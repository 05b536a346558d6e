// JSON documents for people and programs: -o json and -o yaml.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace sluice::cli {

// Members stay in the order in which the server sent them.
using Json = nlohmann::ordered_json;

// Absent when `text` is not JSON. Never throws.
std::optional<Json> parse_json(std::string_view text);

// Whether `text` is one JSON value, without building it.
bool is_json(std::string_view text);

// What is wrong with `text`, which is not JSON, and where.
std::string json_mistake(std::string_view text);

// A member's text: strings as they are, numbers and booleans printed, absent or null empty.
std::string text_of(const Json& object, std::string_view member);

enum class DocumentFormat { kJson, kYaml };

// Pretty, ending in a newline. Bytes that are not UTF-8 are replaced.
std::string print(const Json& document, DocumentFormat format);

}  // namespace sluice::cli
