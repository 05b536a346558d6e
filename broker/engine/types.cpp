#include "broker/engine/types.h"

#include <charconv>
#include <cstdio>

namespace sluice::broker {

std::string format_lease(ClaimNumber claim) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(claim));
  return text;
}

std::optional<ClaimNumber> parse_lease(std::string_view text) {
  if (text.size() != 16) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return ClaimNumber{number};
}

std::string_view to_string(RunEnd end) {
  switch (end) {
    case RunEnd::kSucceeded:
      return "Succeeded";
    case RunEnd::kFailed:
      return "Failed";
    case RunEnd::kReleased:
      return "Released";
    case RunEnd::kLeaseLost:
      return "LeaseLost";
    case RunEnd::kTimeout:
      return "Timeout";
    case RunEnd::kDisrupted:
      return "Disrupted";
  }
  return "Failed";
}

void cut_text(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80) --bytes_max;
  text.resize(bytes_max);
}

}  // namespace sluice::broker
