// Cuts a stream of bytes into lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::http {

// Lines come out whole wherever the input was cut; a line without its newline never comes out.
//
// Threads: not synchronized.
class LineSplitter {
 public:
  enum class Fed { kMore, kStopped, kLineTooLong };

  explicit LineSplitter(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  // Calls on_line(std::string_view) for each line that `bytes` ends, without newline (or carriage
  // return and newline), until it returns false: kStopped.
  template <typename OnLine>
  Fed feed(std::string_view bytes, const OnLine& on_line) {
    for (std::size_t end = bytes.find('\n'); end != std::string_view::npos;
         end = bytes.find('\n')) {
      if (partial_.size() + end > line_bytes_max_) return Fed::kLineTooLong;
      partial_.append(bytes.substr(0, end));
      bytes.remove_prefix(end + 1);
      if (partial_.ends_with('\r')) partial_.pop_back();
      const bool wants_more = on_line(std::string_view(partial_));
      partial_.clear();
      if (!wants_more) return Fed::kStopped;
    }
    if (partial_.size() + bytes.size() > line_bytes_max_) return Fed::kLineTooLong;
    partial_.append(bytes);
    return Fed::kMore;
  }

 private:
  std::size_t line_bytes_max_;
  std::string partial_;
};

}  // namespace sluice::http
