// Lines of a stream as batches: bounded in memory whatever the stream holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::cli {

struct BulkLine {
  std::int64_t number = 0;  // from 1, as editors count
  std::string text;
};

struct BulkBatch {
  std::vector<BulkLine> lines;
  std::vector<std::int64_t> too_long;  // numbers of lines over the limit, which were left out
};

struct BulkLimits {
  std::size_t lines_max = 1'000;                    // the broker's bound on a batch
  std::size_t batch_bytes_max = 4 * 1024 * 1024;    // well below the broker's 16 MiB
  std::size_t line_bytes_max = 2 * 1024 * 1024;     // the largest payload and its envelope
  Duration linger = std::chrono::milliseconds{20};  // a silence this long ends a batch
};

// Reads NDJSON from a file descriptor that it does not own. Empty lines are skipped, yet counted.
// A batch ends when it is full, or when the stream pauses: what trickles in is sent on at once.
//
// Threads: not synchronized. next() blocks while the stream is silent and the batch empty.
class BulkReader {
 public:
  BulkReader(int fd, BulkLimits limits) : fd_(fd), limits_(limits) {}

  // Absent at the end of the stream; an error when it cannot be read.
  Result<std::optional<BulkBatch>> next();

 private:
  enum class Fill { kMore, kSilent, kEnd };

  Result<Fill> fill(Duration patience);
  // Moves the buffer's whole lines into `batch` while they fit; true when it is full.
  bool take_lines(BulkBatch& batch);
  bool take_line(BulkBatch& batch, std::size_t end);

  int fd_;
  BulkLimits limits_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of what is not taken yet
  std::size_t scanned_ = 0;  // no newline in [begin_, scanned_)
  std::size_t batch_bytes_ = 0;
  std::int64_t line_number_ = 0;
  bool discarding_ = false;  // inside a line that is too long
  bool ended_ = false;
};

}  // namespace sluice::cli
