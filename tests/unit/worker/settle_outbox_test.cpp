#include "worker/settle_outbox.h"

namespace sluice::worker {
namespace {

using Fate = SettleVerdict::Fate;

api::Settlement settlement(const std::string& id, std::string result = "") {
  return {.id = id, .lease = "lease-" + id, .result_json = std::move(result)};
}

TEST(SettleOutbox, WhatTheBrokerAnswersDecides) {
  struct Case {
    int status;
    Fate fate;
  };
  const Case cases[] = {{200, Fate::kAccepted}, {404, Fate::kRefused}, {409, Fate::kRefused},
                        {400, Fate::kRefused},  {503, Fate::kAgain},   {507, Fate::kAgain}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.status);
    SettleOutbox outbox(10);
    outbox.add(settlement("a"));

    const auto verdicts = outbox.answered(outbox.batch(), {{{.id = "a", .status = c.status}}});

    ASSERT_EQ(verdicts.size(), 1u);
    EXPECT_EQ(verdicts[0].fate, c.fate);
    EXPECT_EQ(outbox.empty(), c.fate != Fate::kAgain);
  }
}

TEST(SettleOutbox, AResultThatIsTooLargeIsSettledAsAFailure) {
  SettleOutbox outbox(10);
  outbox.add(settlement("a", "\"large\""));

  outbox.answered(outbox.batch(), {{{.id = "a", .status = 413}}});

  const auto again = outbox.batch();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].outcome, api::Outcome::kFailed);
  EXPECT_EQ(again[0].error->reason, "ResultTooLarge");
  EXPECT_EQ(again[0].result_json, "");
}

TEST(SettleOutbox, OneBadSettlementDoesNotHoldUpItsBatch) {
  SettleOutbox outbox(10);
  outbox.add(settlement("bad"));
  outbox.add(settlement("good"));

  EXPECT_TRUE(outbox.refused(outbox.batch(), ErrorCode::kInvalidArgument).empty());
  const auto alone = outbox.batch();
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_EQ(outbox.refused(alone, ErrorCode::kInvalidArgument)[0].fate, Fate::kRefused);

  EXPECT_EQ(outbox.batch()[0].id, "good");
}

TEST(SettleOutbox, ABrokerThatIsAwayLosesNothing) {
  SettleOutbox outbox(10);
  outbox.add(settlement("a"));
  EXPECT_TRUE(outbox.refused(outbox.batch(), ErrorCode::kUnavailable).empty());
  EXPECT_TRUE(outbox.refused(outbox.batch(), ErrorCode::kDeadlineExceeded).empty());
  EXPECT_EQ(outbox.size(), 1u);
}

TEST(SettleOutbox, BoundsABatch) {
  SettleOutbox outbox(10);
  const std::string large(SettleOutbox::kBatchBytesMax, 'x');
  outbox.add(settlement("a", large));
  outbox.add(settlement("b", large));
  EXPECT_EQ(outbox.batch().size(), 1u);

  SettleOutbox many(10);
  for (std::size_t i = 0; i < 3 * SettleOutbox::kBatchMax; ++i) {
    many.add(settlement(std::to_string(i)));
  }
  EXPECT_EQ(many.batch().size(), SettleOutbox::kBatchMax);
}

}  // namespace
}  // namespace sluice::worker
