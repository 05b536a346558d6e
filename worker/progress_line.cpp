#include "worker/progress_line.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "worker/text.h"

namespace sluice::worker {

std::optional<api::Progress> parse_progress_line(std::string_view line) {
  line = trimmed(line);
  double ratio = 0;
  const char* const end = line.data() + line.size();
  const auto [rest, error] = std::from_chars(line.data(), end, ratio, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(ratio)) return std::nullopt;
  if (rest != end && *rest != ' ' && *rest != '\t') return std::nullopt;

  const std::string_view message = trimmed({rest, static_cast<std::size_t>(end - rest)});
  return api::Progress{.ratio = std::clamp(ratio, 0.0, 1.0),
                       .message = valid_utf8(message.substr(0, kProgressMessageBytesMax))};
}

void ProgressStream::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    skipping_ = skipping_ || partial_.size() + piece.size() > kProgressLineBytesMax;
    if (!skipping_) partial_.append(piece);
    if (end == std::string_view::npos) return;

    if (auto progress = parse_progress_line(partial_); progress && !skipping_) {
      newest_ = std::move(progress);
    }
    partial_.clear();
    skipping_ = false;
    bytes.remove_prefix(end + 1);
  }
}

std::optional<api::Progress> ProgressStream::take() {
  return std::exchange(newest_, std::nullopt);
}

}  // namespace sluice::worker
