#include "cli/bulk_reader.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace sluice::cli {
namespace {

using namespace std::chrono_literals;

// A file in memory that holds `text`, read from its start.
class TextFile {
 public:
  explicit TextFile(const std::string& text) : fd_(::memfd_create("lines", MFD_CLOEXEC)) {
    static_cast<void>(!::write(fd_, text.data(), text.size()));
    ::lseek(fd_, 0, SEEK_SET);
  }
  ~TextFile() { ::close(fd_); }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::vector<BulkBatch> read_all(const std::string& text, const BulkLimits& limits) {
  const TextFile file(text);
  BulkReader reader(file.fd(), limits);
  std::vector<BulkBatch> batches;
  for (;;) {
    auto batch = reader.next();
    if (!batch || !*batch) return batches;
    batches.push_back(**std::move(batch));
  }
}

TEST(BulkReader, NumbersLinesAsEditorsDo) {
  const auto batches = read_all("1\n\n  \r\n2\r\n3", {});

  ASSERT_EQ(batches.size(), 1u);
  ASSERT_EQ(batches[0].lines.size(), 3u);
  EXPECT_EQ(batches[0].lines[0].number, 1);
  EXPECT_EQ(batches[0].lines[1].number, 4);
  EXPECT_EQ(batches[0].lines[1].text, "2");
  EXPECT_EQ(batches[0].lines[2].number, 5);
  EXPECT_EQ(batches[0].lines[2].text, "3");
}

TEST(BulkReader, EndsABatchAtItsLines) {
  const auto batches = read_all("1\n2\n3\n4\n5\n", {.lines_max = 2});

  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].lines.size(), 2u);
  EXPECT_EQ(batches[2].lines.size(), 1u);
  EXPECT_EQ(batches[2].lines[0].number, 5);
}

TEST(BulkReader, EndsABatchAtItsBytes) {
  const auto batches = read_all("aaaa\nbbbb\ncccc\n", {.batch_bytes_max = 9});

  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].lines.size(), 2u);
}

TEST(BulkReader, LeavesOutLinesThatAreTooLong) {
  const std::string text = "1\n" + std::string(50, 'x') + "\n3\n" + std::string(600'000, 'y');
  const auto batches = read_all(text, {.line_bytes_max = 10});

  std::vector<std::int64_t> kept;
  std::vector<std::int64_t> too_long;
  for (const BulkBatch& batch : batches) {
    for (const BulkLine& line : batch.lines) kept.push_back(line.number);
    too_long.insert(too_long.end(), batch.too_long.begin(), batch.too_long.end());
  }
  EXPECT_EQ(kept, (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(too_long, (std::vector<std::int64_t>{2, 4}));
}

TEST(BulkReader, SendsOnWhatTricklesIn) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "1\n2", 3), 3);
  BulkReader reader(ends[0], {.linger = 1ms});

  const auto first = reader.next();
  ASSERT_EQ(::write(ends[1], "2\n", 2), 2);
  ::close(ends[1]);
  const auto second = reader.next();
  const auto end = reader.next();
  ::close(ends[0]);

  ASSERT_TRUE(first && *first && second && *second && end);
  EXPECT_EQ((*first)->lines.size(), 1u);
  EXPECT_EQ((*second)->lines.front().text, "22");
  EXPECT_FALSE(*end);
}

TEST(BulkReader, SaysThatItCannotRead) {
  const int fd = ::memfd_create("closed", MFD_CLOEXEC);
  ::close(fd);
  BulkReader reader(fd, {});

  EXPECT_FALSE(reader.next());
}

RC_GTEST_PROP(BulkReader, LosesNoLineWhateverTheLimits, ()) {
  const auto count = *rc::gen::inRange(0, 300);
  BulkLimits limits;
  limits.lines_max = *rc::gen::inRange<std::size_t>(1, 20);
  limits.batch_bytes_max = *rc::gen::inRange<std::size_t>(1, 40);
  std::string text;
  for (int i = 1; i <= count; ++i) text += std::to_string(i) + '\n';

  std::int64_t next = 1;
  for (const BulkBatch& batch : read_all(text, limits)) {
    RC_ASSERT(batch.lines.size() <= limits.lines_max);
    for (const BulkLine& line : batch.lines) {
      RC_ASSERT(line.number == next);
      RC_ASSERT(line.text == std::to_string(next++));
    }
  }
  RC_ASSERT(next == count + 1);
}

}  // namespace
}  // namespace sluice::cli
