#include "common/api/yaml_scalar.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>

namespace sluice::api {
namespace {

using nlohmann::json;

constexpr std::string_view kTrue[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON"};
constexpr std::string_view kFalse[] = {"n",     "N",     "no",  "No",  "NO", "false",
                                       "False", "FALSE", "off", "Off", "OFF"};
constexpr std::string_view kNull[] = {"", "~", "null", "Null", "NULL"};
constexpr std::string_view kNotFinite[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF",
                                           "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};

template <std::size_t N>
bool is_one_of(std::string_view text, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// The base that a number's prefix names; a leading zero alone is octal.
int take_base(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  const char letter = static_cast<char>(digits[1] | 0x20);
  const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
  digits.remove_prefix(base == 0 ? 1 : 2);
  return base == 0 ? 8 : base;
}

// False: no integer, or one beyond 64 bits.
bool parse_integer(std::string_view text, json& out) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const int base = take_base(text);
  std::uint64_t magnitude = 0;
  const char* const last = text.data() + text.size();
  const auto [end, code] = std::from_chars(text.data(), last, magnitude, base);
  if (text.empty() || end != last || code != std::errc{}) return false;

  constexpr std::uint64_t kMinMagnitude = std::uint64_t{1} << 63;
  if (!negative) {
    out = magnitude;
    // Small ones as signed, so that equal numbers are equal trees whatever the text.
    if (magnitude < kMinMagnitude) out = static_cast<std::int64_t>(magnitude);
    return true;
  }
  if (magnitude > kMinMagnitude) return false;
  out = static_cast<std::int64_t>(0 - magnitude);
  return true;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_float(std::string_view text) {
  const auto take_digits = [&] {
    std::size_t count = 0;
    while (!text.empty() && is_digit(text.front())) {
      text.remove_prefix(1);
      ++count;
    }
    return count;
  };
  const auto take_sign = [&] {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  };
  take_sign();
  std::size_t digits = take_digits();
  const bool point = text.starts_with('.');
  if (point) {
    text.remove_prefix(1);
    const std::size_t fraction = take_digits();
    if (digits == 0 && fraction == 0) return false;
    digits += fraction;
  }
  if (digits == 0) return false;
  if (text.empty()) return true;
  if (text.front() != 'e' && text.front() != 'E') return false;
  text.remove_prefix(1);
  take_sign();
  return take_digits() > 0 && text.empty();
}

json resolve_number(std::string_view text) {
  std::string plain(text);
  std::erase(plain, '_');
  json number;
  if (parse_integer(plain, number)) return number;
  if (!looks_like_float(plain)) return std::string(text);

  // strtod, because from_chars does not tell what is too small from what is too large. kubectl
  // takes a number that is too large for a string.
  const double value = std::strtod(plain.c_str(), nullptr);
  if (!std::isfinite(value)) return std::string(text);
  return value;
}

}  // namespace

json resolve_plain_scalar(std::string_view text, std::string& error) {
  if (is_one_of(text, kNull)) return nullptr;
  if (is_one_of(text, kTrue)) return true;
  if (is_one_of(text, kFalse)) return false;
  if (is_one_of(text, kNotFinite)) {
    error = "is not a finite number";
    return nullptr;
  }
  const char first = text.front();
  if (is_digit(first) || first == '-' || first == '+' || first == '.') {
    return resolve_number(text);
  }
  return std::string(text);
}

json resolve_tagged_scalar(std::string_view tag, std::string_view text, std::string& error) {
  constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
  if (tag == "?" || tag.empty()) return resolve_plain_scalar(text, error);
  if (tag == "!" || tag == "tag:yaml.org,2002:str") return std::string(text);
  if (!tag.starts_with(kPrefix)) return std::string(text);  // a tag of somebody's own
  const std::string_view type = tag.substr(kPrefix.size());
  json value = resolve_plain_scalar(text, error);
  if (!error.empty()) return nullptr;
  if (type == "float" && value.is_number()) return value.get<double>();
  const bool fits = (type == "int" && value.is_number_integer()) ||
                    (type == "bool" && value.is_boolean()) || (type == "null" && value.is_null());
  if (!fits) {
    error = "does not fit its tag !!" + std::string(type);
    return nullptr;
  }
  return value;
}

}  // namespace sluice::api
