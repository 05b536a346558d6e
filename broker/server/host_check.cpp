#include "broker/server/host_check.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace sluice::broker {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Dotted quads only: "127.1" and "0x7f.0.0.1" mean different things to different readers.
bool is_loopback_v4(std::string_view text) {
  if (!text.starts_with("127.")) return false;
  int octets = 0;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view octet = text.substr(0, dot);
    int value = 0;
    if (!all_digits(octet) || octet.size() > 3) return false;
    std::from_chars(octet.data(), octet.data() + octet.size(), value);
    if (value > 255 || ++octets > 4) return false;
    if (dot == std::string_view::npos) return octets == 4;
    text.remove_prefix(dot + 1);
  }
}

bool is_localhost(std::string_view text) {
  constexpr std::string_view kName = "localhost";
  return std::equal(text.begin(), text.end(), kName.begin(), kName.end(),
                    [](char a, char b) { return (a | 0x20) == b; });
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  if (host.starts_with("[::1]")) {
    host.remove_prefix(5);
    return host.empty() || (host.front() == ':' && all_digits(host.substr(1)));
  }
  const std::size_t colon = host.find(':');
  if (colon != std::string_view::npos && !all_digits(host.substr(colon + 1))) return false;
  const std::string_view name = host.substr(0, colon);
  return is_localhost(name) || is_loopback_v4(name);
}

}  // namespace sluice::broker
