#include "broker/storage/wal_check.h"

#include <sstream>

#include "gtest/gtest.h"

namespace sluice::broker {
namespace {

// One-byte records of RocksDB's log format, with their real checksums.
const std::string kRecordA(
    "\xB5\xCD\x0B\xA2\x01\x00\x01"
    "a",
    8);

bool torn_before_records(const std::string& bytes) {
  std::istringstream log(bytes);
  return records_follow_a_tear(log);
}

std::string with_length(std::string record, char low, char high) {
  record[4] = low;
  record[5] = high;
  return record;
}

TEST(WalCheck, WholeLogIsFine) {
  EXPECT_FALSE(torn_before_records(""));
  EXPECT_FALSE(torn_before_records(kRecordA + kRecordA));
}

TEST(WalCheck, TornEndIsFine) {
  for (std::size_t cut = 1; cut < kRecordA.size(); ++cut) {
    SCOPED_TRACE(cut);
    EXPECT_FALSE(torn_before_records(kRecordA + kRecordA.substr(0, cut)));
  }
}

TEST(WalCheck, ZerosAtTheEndAreFine) {
  EXPECT_FALSE(torn_before_records(kRecordA + std::string(5'000, '\0')));
  EXPECT_FALSE(torn_before_records(kRecordA + std::string(100'000, '\0')));
}

TEST(WalCheck, LengthThatReachesOverLaterRecordsIsDamage) {
  EXPECT_TRUE(torn_before_records(with_length(kRecordA, 1, 0x10) + kRecordA));
}

TEST(WalCheck, ZerosBetweenRecordsAreDamage) {
  EXPECT_TRUE(torn_before_records(kRecordA + std::string(20, '\0') + kRecordA));
  const std::string zeros_to_the_next_block(32 * 1024 - kRecordA.size(), '\0');
  EXPECT_TRUE(torn_before_records(kRecordA + zeros_to_the_next_block + kRecordA));
}

TEST(WalCheck, DamagedLastRecordLooksTorn) {
  EXPECT_FALSE(torn_before_records(kRecordA + with_length(kRecordA, 1, 0x10)));
}

}  // namespace
}  // namespace sluice::broker
