// Text from programs that promised nothing about it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::worker {

// Without blanks and newlines at either end.
std::string_view trimmed(std::string_view text);

// `text` with each byte that is not part of well-formed UTF-8 replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

// Keeps the beginning of a stream, within a bound.
//
// Threads: not synchronized.
class HeadBuffer {
 public:
  explicit HeadBuffer(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void feed(std::string_view bytes);

  bool is_cut() const { return cut_; }  // there was more
  std::string take() { return std::move(kept_); }

 private:
  std::size_t bytes_max_;
  std::string kept_;
  bool cut_ = false;
};

// Keeps the last lines of a stream, within bounds on lines and bytes.
//
// Threads: not synchronized.
class TailBuffer {
 public:
  static constexpr std::size_t kBytesMax = 2 * 1024;
  static constexpr int kLinesMax = 20;

  void feed(std::string_view bytes);

  // Trimmed, valid UTF-8; begins at a line's start unless that line alone is over the bound.
  std::string text() const;

 private:
  std::string kept_;
  bool cut_ = false;  // bytes before kept_ were dropped
};

}  // namespace sluice::worker
