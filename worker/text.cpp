#include "worker/text.h"

#include <algorithm>

namespace sluice::worker {
namespace {

constexpr std::string_view kBlank = " \t\r\n\v\f";

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The length of the well-formed sequence `text` begins with, 0 when it begins with none (RFC 3629).
std::size_t sequence_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  if (!std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(length),
                   is_continuation)) {
    return 0;
  }
  const auto second = static_cast<unsigned char>(text[1]);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second > 0x9F;
  const bool beyond = first == 0xF4 && second > 0x8F;
  return overlong || surrogate || beyond ? 0 : length;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    valid.append(length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return valid;
}

void HeadBuffer::feed(std::string_view bytes) {
  const std::size_t room = bytes_max_ - kept_.size();
  cut_ = cut_ || bytes.size() > room;
  kept_.append(bytes.substr(0, room));
}

void TailBuffer::feed(std::string_view bytes) {
  if (bytes.size() > kBytesMax) {
    bytes.remove_prefix(bytes.size() - kBytesMax);
    kept_.clear();
    cut_ = true;
  }
  kept_.append(bytes);
  if (kept_.size() > kBytesMax) {
    kept_.erase(0, kept_.size() - kBytesMax);
    cut_ = true;
  }
}

std::string TailBuffer::text() const {
  std::string_view tail = kept_;
  if (const std::size_t newline = tail.find('\n');
      cut_ && newline != std::string_view::npos && newline + 1 < tail.size()) {
    tail.remove_prefix(newline + 1);
  }
  tail = trimmed(tail);

  std::size_t begin = tail.size();
  for (int lines = 0; lines < kLinesMax && begin != std::string_view::npos && begin > 0; ++lines) {
    begin = tail.rfind('\n', begin - 1);
  }
  if (begin != std::string_view::npos && begin != 0) tail.remove_prefix(begin + 1);
  // A character that the bound cut in two is left out, not shown as damage.
  while (cut_ && !tail.empty() && is_continuation(tail.front())) tail.remove_prefix(1);
  return valid_utf8(tail);
}

}  // namespace sluice::worker
