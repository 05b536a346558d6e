// What a handler writes on descriptor 3.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/api/job_protocol.h"

namespace sluice::worker {

constexpr std::size_t kProgressMessageBytesMax = 256;
constexpr std::size_t kProgressLineBytesMax = 1024;

struct ProgressLine {
  std::optional<double> ratio;
  std::string message;
};

// "0.4 half way", "0.4" or "half way"; ratios outside 0-1 are moved to the nearer end. Absent when
// the line is blank.
std::optional<ProgressLine> parse_progress_line(std::string_view line);

// The last whole line of a stream of them, with the last ratio there was, 0 before the first; a
// line beyond kProgressLineBytesMax is skipped.
//
// Threads: not synchronized.
class ProgressStream {
 public:
  void feed(std::string_view bytes);

  // The newest progress since the last call, if any came.
  std::optional<api::Progress> take();

 private:
  std::string partial_;
  bool skipping_ = false;  // inside a line that is too long
  double ratio_ = 0;
  std::optional<api::Progress> newest_;
};

}  // namespace sluice::worker
