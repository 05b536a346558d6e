// The forms of names that Kubernetes accepts (RFC 1123).
#include <algorithm>

#include "common/api/decode.h"
#include "common/api/limits.h"

namespace sluice::api {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_letter_or_digit(char c) {
  return is_alphanumeric(c) || (c >= 'A' && c <= 'Z');
}

}  // namespace

bool is_dns_label(std::string_view name, std::size_t length_max) {
  if (name.empty() || name.size() > length_max) return false;
  if (!is_alphanumeric(name.front()) || !is_alphanumeric(name.back())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view name, std::size_t length_max) {
  if (name.size() > length_max) return false;
  while (true) {
    const std::size_t dot = name.find('.');
    // Kubernetes bounds the whole name only, not each label.
    if (!is_dns_label(name.substr(0, dot), length_max)) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_label_value(std::string_view value) {
  if (value.empty()) return true;
  if (value.size() > kLabelNameMax) return false;
  if (!is_letter_or_digit(value.front()) || !is_letter_or_digit(value.back())) return false;
  return std::all_of(value.begin(), value.end(), [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

bool is_label_key(std::string_view key) {
  if (const std::size_t slash = key.find('/'); slash != std::string_view::npos) {
    if (!is_dns_subdomain(key.substr(0, slash))) return false;
    key.remove_prefix(slash + 1);
  }
  return !key.empty() && is_label_value(key);
}

}  // namespace sluice::api
