// Values of log fields, so that one event is always one line of valid UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// Control characters, line separators and bytes that are not UTF-8 as \n, \u2028 or \ufffd.
void append_text_escaped(std::string& out, std::string_view text);

// The same; in double quotes when a reader could not tell where a bare value ends.
void append_text_value(std::string& out, std::string_view value);

// A JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

// Whether `value`, as std::to_string prints numbers and facts, stands as it is in JSON: nan and inf
// do not.
bool is_json_literal(std::string_view value);

}  // namespace sluice
