#include "cli/bulk_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::cli {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr Duration kForever{-1};

Error read_error() {
  return {ErrorCode::kUnavailable, std::string("cannot read the input: ") + std::strerror(errno)};
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

Result<std::optional<BulkBatch>> BulkReader::next() {
  BulkBatch batch;
  batch_bytes_ = 0;
  for (;;) {
    const bool full = take_lines(batch);
    const bool is_empty = batch.lines.empty() && batch.too_long.empty();
    if (full || (ended_ && !is_empty)) return std::optional(std::move(batch));
    if (ended_) return std::optional<BulkBatch>();

    const auto filled = fill(is_empty ? kForever : limits_.linger);
    if (!filled) return filled.error();
    if (*filled == Fill::kSilent) return std::optional(std::move(batch));
    if (*filled == Fill::kEnd) ended_ = true;
  }
}

Result<BulkReader::Fill> BulkReader::fill(Duration patience) {
  pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
  const int timeout_ms =
      patience < Duration::zero()
          ? -1
          : static_cast<int>(
                std::chrono::duration_cast<std::chrono::milliseconds>(patience).count());
  int ready = 0;
  do {
    ready = ::poll(&readable, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return read_error();
  if (ready == 0) return Fill::kSilent;

  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  const std::size_t held = buffer_.size();
  buffer_.resize(held + kReadBytes);
  ssize_t got = 0;
  do {
    got = ::read(fd_, buffer_.data() + held, kReadBytes);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(held + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return read_error();
  return got == 0 ? Fill::kEnd : Fill::kMore;
}

bool BulkReader::take_lines(BulkBatch& batch) {
  for (;;) {
    const std::size_t end = buffer_.find('\n', scanned_);
    if (end != std::string::npos) {
      if (!take_line(batch, end)) return true;
      begin_ = scanned_ = end + 1;
      continue;
    }
    scanned_ = buffer_.size();
    if (ended_ && (begin_ < buffer_.size() || discarding_)) {
      // The last line may lack its newline.
      if (!take_line(batch, buffer_.size())) return true;
      begin_ = buffer_.size();
    } else if (buffer_.size() - begin_ > limits_.line_bytes_max) {
      // Remember that the line was too long; its bytes need not be kept until it ends.
      discarding_ = true;
      begin_ = buffer_.size();
    }
    return batch.lines.size() + batch.too_long.size() >= limits_.lines_max;
  }
}

// False, with nothing taken, when the batch has no room for the line.
bool BulkReader::take_line(BulkBatch& batch, std::size_t end) {
  const std::size_t bytes = end - begin_;
  const bool too_long = discarding_ || bytes > limits_.line_bytes_max;
  if (batch.lines.size() + batch.too_long.size() >= limits_.lines_max) return false;
  if (!too_long && !batch.lines.empty() && batch_bytes_ + bytes > limits_.batch_bytes_max) {
    return false;
  }

  ++line_number_;
  discarding_ = false;
  if (too_long) {
    batch.too_long.push_back(line_number_);
    return true;
  }
  std::string text = buffer_.substr(begin_, bytes);
  if (is_blank(text)) return true;
  if (text.back() == '\r') text.pop_back();
  batch_bytes_ += bytes;
  batch.lines.push_back({.number = line_number_, .text = std::move(text)});
  return true;
}

}  // namespace sluice::cli
