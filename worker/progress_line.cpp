#include "worker/progress_line.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "worker/text.h"

namespace sluice::worker {

std::optional<ProgressLine> parse_progress_line(std::string_view line) {
  line = trimmed(line);
  if (line.empty()) return std::nullopt;
  ProgressLine parsed;
  double ratio = 0;
  const char* const end = line.data() + line.size();
  const auto [rest, error] = std::from_chars(line.data(), end, ratio, std::chars_format::fixed);
  const bool is_word = rest == end || *rest == ' ' || *rest == '\t';
  if (error == std::errc{} && std::isfinite(ratio) && is_word) {
    parsed.ratio = std::clamp(ratio, 0.0, 1.0);
    line = trimmed({rest, static_cast<std::size_t>(end - rest)});
  }
  parsed.message = valid_utf8(line.substr(0, kProgressMessageBytesMax));
  return parsed;
}

void ProgressStream::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    skipping_ = skipping_ || partial_.size() + piece.size() > kProgressLineBytesMax;
    if (!skipping_) partial_.append(piece);
    if (end == std::string_view::npos) return;

    if (auto told = parse_progress_line(partial_); told && !skipping_) {
      ratio_ = told->ratio.value_or(ratio_);
      newest_ = api::Progress{.ratio = ratio_, .message = std::move(told->message)};
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
