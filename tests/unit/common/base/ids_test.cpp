#include "common/base/ids.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace sluice {
namespace {

using std::chrono::milliseconds;

constexpr TimePoint at_ms(std::int64_t ms) {
  return TimePoint{milliseconds{ms}};
}

TEST(Uuid, PrintsAsOthersDo) {
  const Uuid id{.hi = 0x0123456789ABCDEF, .lo = 0x8000000000000001};

  EXPECT_EQ(to_string(id), "01234567-89ab-cdef-8000-000000000001");
  EXPECT_EQ(parse_uuid("01234567-89AB-CDEF-8000-000000000001"), id);
}

TEST(Uuid, RefusesOtherForms) {
  for (const char* const text :
       {"", "0123456789abcdef8000000000000001", "01234567-89ab-cdef-8000-00000000000",
        "01234567-89ab-cdef-8000-0000000000011", "g1234567-89ab-cdef-8000-000000000001",
        "0123456-789ab-cdef-8000-000000000001", "{1234567-89ab-cdef-8000-00000000000}"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(parse_uuid(text), std::nullopt);
  }
}

RC_GTEST_PROP(Uuid, ReadsWhatItPrints, (std::uint64_t hi, std::uint64_t lo)) {
  const Uuid id{.hi = hi, .lo = lo};

  RC_ASSERT(parse_uuid(to_string(id)) == id);
}

RC_GTEST_PROP(Uuid, IsOrderedAsItsText,
              (std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d)) {
  const Uuid first{.hi = a, .lo = b};
  const Uuid second{.hi = c, .lo = d};

  RC_ASSERT((first < second) == (to_string(first) < to_string(second)));
}

TEST(IdSource, FollowsTheLayoutOfVersion7) {
  IdSource ids(0xABCDEF);

  const std::string text = to_string(ids.next(at_ms(0x0123456789AB)));

  EXPECT_EQ(text, "01234567-89ab-7abc-b7bc-000000000001");
}

TEST(IdSource, TimeBeforeTheEpochIsTheEpoch) {
  IdSource ids(1);

  EXPECT_EQ(ids.next(at_ms(-5)).hi >> 16, 0u);
}

RC_GTEST_PROP(IdSource, IdsIncreaseWhateverTheClockSays,
              (const std::vector<std::int32_t>& clock_seconds)) {
  IdSource ids(*rc::gen::inRange<std::uint32_t>(0, IdSource::kBootMax + 1));
  Uuid last;

  for (const std::int32_t now : clock_seconds) {
    const Uuid id = ids.next(at_ms(std::int64_t{now} * 1000));
    RC_ASSERT(last < id);
    RC_ASSERT((id.hi >> 12 & 0xF) == 7u);
    RC_ASSERT(id.lo >> 62 == 2u);
    last = id;
  }
}

RC_GTEST_PROP(IdSource, TwoBootsNeverMakeTheSameId,
              (std::int32_t first_now, std::int32_t second_now)) {
  const auto boot = *rc::gen::inRange<std::uint32_t>(0, IdSource::kBootMax);
  IdSource first(boot);
  IdSource second(boot + 1);

  RC_ASSERT(first.next(at_ms(first_now)) != second.next(at_ms(second_now)));
}

TEST(IdSourceDeathTest, BootNumberMustFit) {
  EXPECT_DEATH(IdSource{IdSource::kBootMax + 1}, "CHECK");
}

}  // namespace
}  // namespace sluice
