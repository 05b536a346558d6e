// JSON text from trees and out of texts, for the codecs of this folder.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::api {

// Compact text. Bytes that are not UTF-8 (a handler's last words) become U+FFFD.
std::string dump(const nlohmann::json& value);

// `object` (text that dump() made of an object) with one more member, whose value is put in byte
// for byte.
std::string with_member(std::string object, std::string_view name, std::string_view value_json);

// The bytes of a member's value as they stand in `object`, of each member, or of each item of
// `array`. A parser has already found the text to be valid JSON; of members that are there twice
// the last counts, as the parser has it.
std::optional<std::string_view> member_text(std::string_view object, std::string_view name);
std::vector<std::pair<std::string, std::string_view>> member_texts(std::string_view object);
std::vector<std::string_view> item_texts(std::string_view array);

}  // namespace sluice::api
