#include "broker/storage/log_scan.h"

#include <sstream>

#include "broker/storage/crc32c.h"
#include "gtest/gtest.h"
#include "tests/unit/broker/storage/log_bytes.h"

namespace sluice::broker {
namespace {

constexpr std::uint64_t kFile = 7;

LogContent scan(const std::string& bytes) {
  std::istringstream log(bytes);
  return scan_log(log, kFile);
}

const std::string kRecord = log_record("a");  // of eight bytes

std::string with_length(std::string record, char low, char high) {
  record[4] = low;
  record[5] = high;
  return record;
}

TEST(LogScan, ChecksumIsThatOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);  // RFC 3720, appendix B.4, and the CRC catalogue
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(LogScan, ReadsWhatRocksDbWrites) {
  // A record of RocksDB's, byte for byte.
  EXPECT_EQ(kRecord, std::string("\xB5\xCD\x0B\xA2\x01\x00\x01"
                                 "a",
                                 8));
}

TEST(LogScan, WholeLogIsWhole) {
  EXPECT_EQ(scan("").whole_bytes, 0u);
  EXPECT_FALSE(scan("").is_torn);

  const LogContent two = scan(kRecord + kRecord);

  EXPECT_EQ(two.whole_bytes, 16u);
  EXPECT_EQ(two.bytes, 16u);
  EXPECT_FALSE(two.is_torn);
}

TEST(LogScan, RecordsGoOverBlocks) {
  const std::string large = log_record(std::string(100'000, 'x'));

  const LogContent content = scan(kRecord + log_record(std::string(100'000, 'x'), 8) + kRecord);

  EXPECT_EQ(content.whole_bytes, large.size() + 16);
  EXPECT_FALSE(content.is_torn);
}

TEST(LogScan, TornEndIsFound) {
  for (std::size_t cut = 1; cut < kRecord.size(); ++cut) {
    SCOPED_TRACE(cut);
    const LogContent content = scan(kRecord + kRecord.substr(0, cut));
    EXPECT_EQ(content.whole_bytes, 8u);
    EXPECT_TRUE(content.is_torn);
  }
  const std::string large = log_record(std::string(100'000, 'x'), 8);
  for (const std::size_t cut : {std::size_t{100}, std::size_t{40'000}, large.size() - 1}) {
    SCOPED_TRACE(cut);
    EXPECT_EQ(scan(kRecord + large.substr(0, cut)).whole_bytes, 8u);
    EXPECT_TRUE(scan(kRecord + large.substr(0, cut)).is_torn);
    EXPECT_TRUE(scan(kRecord + large.substr(0, cut) + std::string(9'000, '\0')).is_torn);
  }
}

TEST(LogScan, ZerosAtTheEndAreNoTear) {
  for (const std::size_t zeros : {1, 5, 7, 5'000, 100'000}) {
    SCOPED_TRACE(zeros);
    const LogContent content = scan(kRecord + std::string(zeros, '\0'));
    EXPECT_EQ(content.whole_bytes, 8u);
    EXPECT_FALSE(content.is_torn);
  }
}

TEST(LogScan, RecordsBehindATearSayWhatWasSynced) {
  struct Case {
    const char* name;
    std::string bytes;
    std::uint64_t whole_bytes;
    LogPosition synced;
  };
  const std::string zeros_to_the_next_block(32 * 1024 - kRecord.size(), '\0');
  const auto marked_at = [](std::size_t at, LogPosition synced) {
    return log_record(encode_mark({.synced = synced, .written = {kFile, at}}), at);
  };
  const std::string torn = with_length(kRecord, 1, 0x10);
  const std::string first = marked_at(0, {5, 100});
  // A batch at 8 whose payload looks like batches, torn at its head.
  const std::string looks_like_a_log = log_record(
      kRecord + log_record(encode_mark({.synced = {9, 9}, .written = {kFile, 1}})), first.size());
  // Two fragments, of which the first is lost.
  std::string only_the_end = log_record(std::string(32'800, 'x'), first.size());
  only_the_end.replace(0, 1'000, 1'000, '\0');
  const std::string torn_large = log_record(std::string(60'000, 'x'), 8).substr(0, 32'760);
  const Case cases[] = {
      {"no mark: all before it", kRecord + with_length(kRecord, 1, 0x10) + kRecord, 8, {kFile, 16}},
      {"a length too large", with_length(kRecord, 1, 0x10) + kRecord, 0, {kFile, 8}},
      {"zeros between", kRecord + std::string(20, '\0') + kRecord, 8, {kFile, 28}},
      {"zeros up to a block", kRecord + zeros_to_the_next_block + kRecord, 8, {kFile, 32'768}},
      {"a mark", kRecord + torn + marked_at(16, {kFile, 8}), 8, {kFile, 8}},
      {"a mark that belongs elsewhere", kRecord + torn + marked_at(99, {kFile, 8}), 8, {}},
      {"a whole one where a middle is due",
       kRecord + torn_large + marked_at(32'768, {kFile, 8}),
       8,
       {kFile, 8}},
      {"only whole ones", kRecord + torn, 8, {}},
      {"a payload", first + "?" + looks_like_a_log.substr(1), first.size(), {5, 100}},
      {"an end without its beginning", first + only_the_end, first.size(), {5, 100}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const LogContent content = scan(c.bytes);
    EXPECT_TRUE(content.is_torn);
    EXPECT_EQ(content.whole_bytes, c.whole_bytes);
    EXPECT_EQ(content.synced, c.synced);
  }
}

// Behind a tear that reaches into the next block.
TEST(LogScan, SearchesEveryTornBlock) {
  std::string log;
  while (log.size() < 80'000) {
    const LogPosition here{kFile, log.size()};
    log += log_record(std::string(500, 'x') + encode_mark({here, here}), log.size());
  }
  const std::size_t last = log.size();
  log.replace(30'000, 5'000, 5'000, '\0');
  log.resize(50'000);

  const LogContent content = scan(log);

  EXPECT_LT(content.whole_bytes, 30'000u);
  EXPECT_GT(content.synced.offset, 49'000u);
  EXPECT_LT(content.synced.offset, last);
}

TEST(LogScan, TornAppendIsToldFromDamage) {
  constexpr std::uint64_t kBegin = 100;
  const std::string record = log_record(std::string(2'000, 'x'), kBegin);
  const auto with_zeros = [&](std::size_t at, std::size_t bytes) {
    return std::string(record).replace(at, bytes, bytes, '\0');
  };
  EXPECT_TRUE(is_torn_append(record.substr(0, 5), kBegin));
  EXPECT_TRUE(is_torn_append(record.substr(0, 1'500), kBegin));
  EXPECT_TRUE(is_torn_append(with_zeros(0, 412), kBegin));  // up to the end of a sector
  EXPECT_TRUE(is_torn_append(with_zeros(412, 512), kBegin));
  EXPECT_TRUE(is_torn_append(with_zeros(1'948, 59), kBegin));
  const std::string over_a_sector = log_record("a record", 509);
  EXPECT_TRUE(is_torn_append(std::string(3, '\0') + over_a_sector.substr(3), 509));

  EXPECT_FALSE(is_torn_append(with_zeros(300, 500), kBegin));  // no sector all of zeros
  for (std::size_t byte = 0; byte < record.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = record;
      bad[byte] = static_cast<char>(bad[byte] ^ 1 << bit);
      ASSERT_FALSE(is_torn_append(bad, kBegin)) << byte << " " << bit;
    }
  }
}

TEST(LogScan, FindsTheMarkOfARecordOverBlocks) {
  const LogMark mark{.synced = {5, 123'456'789'012}, .written = {6, 7}};
  for (std::size_t bytes = 32'600; bytes < 32'800; ++bytes) {
    const LogContent content = scan(log_record(std::string(bytes, 'x') + encode_mark(mark)));
    ASSERT_EQ(content.synced, mark.synced) << bytes;
    ASSERT_EQ(content.first_written, mark.written) << bytes;
  }
}

}  // namespace
}  // namespace sluice::broker
