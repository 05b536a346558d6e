#include "operator/kube/event_series.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace sluice::kube {
namespace {

class EventSeriesTest : public ::testing::Test {
 protected:
  static EventFact fact(const std::string& reason, const std::string& message = "m",
                        const std::string& uid = "u") {
    return {{op::ObjectKind::kQueue, "ns", "q"},
            uid,
            op::EventSeverity::kWarning,
            reason,
            message,
            TimePoint{}};
  }
  std::optional<EventSeries::Write> note(const EventFact& fact) {
    return series_.note(fact, clock_.now().steady);
  }

  testing::ManualClock clock_;
  EventSeries series_{0xabc};
};

TEST_F(EventSeriesTest, SameFactAgainIsCountedUnderItsName) {
  const auto first = note(fact("QuotaExceeded"));
  const auto second = note(fact("QuotaExceeded"));

  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_TRUE(first->is_new);
  EXPECT_FALSE(second->is_new);
  EXPECT_EQ(second->count, 2);
  EXPECT_EQ(second->name, first->name);
}

TEST_F(EventSeriesTest, OtherReasonMessageOrObjectIsAnotherEvent) {
  const auto first = note(fact("A"));

  for (const EventFact& other : {fact("B"), fact("A", "n"), fact("A", "m", "u2")}) {
    const auto write = note(other);
    ASSERT_TRUE(write);
    EXPECT_TRUE(write->is_new);
    EXPECT_NE(write->name, first->name);
  }
}

TEST_F(EventSeriesTest, ManyAboutOneObjectAreHeldBackThenCounted) {
  int written = 0;
  for (int i = 0; i < 1000; ++i) {
    if (note(fact("Flapping"))) ++written;
  }
  EXPECT_EQ(written, 10);
  EXPECT_TRUE(note(fact("Flapping", "m", "another")));

  clock_.advance(EventSeries::kRefill);
  const auto later = note(fact("Flapping"));

  ASSERT_TRUE(later);
  EXPECT_EQ(later->count, 1001);
}

TEST_F(EventSeriesTest, ManyObjectsInTheSameTroubleDoNotFillTheServer) {
  int written = 0;
  for (int i = 0; i < 10'000; ++i) {
    if (note(fact("QueueMissing", "m", "u" + std::to_string(i)))) ++written;
  }
  EXPECT_EQ(written, 100);

  clock_.advance(EventSeries::kRefillOfAll);
  EXPECT_TRUE(note(fact("QueueMissing", "m", "one more")));
}

TEST_F(EventSeriesTest, ForgottenAndOldSeriesBeginAnew) {
  note(fact("A"));
  series_.forget(fact("A"));
  const auto again = note(fact("A"));
  clock_.advance(EventSeries::kSeriesAge);
  const auto old = note(fact("A"));

  EXPECT_TRUE(again->is_new);
  EXPECT_TRUE(old->is_new);
  EXPECT_EQ(old->count, 1);
}

TEST_F(EventSeriesTest, WhatWasHeardOfLongestAgoIsForgotten) {
  note(fact("A", "first", "u0"));
  for (std::size_t i = 0; i < EventSeries::kSeriesMax; ++i) {
    clock_.advance(EventSeries::kRefillOfAll);
    note(fact("A", std::to_string(i), "u" + std::to_string(i)));
  }

  EXPECT_TRUE(note(fact("A", "first", "u0"))->is_new);
}

}  // namespace
}  // namespace sluice::kube
