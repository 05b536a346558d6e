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

api::Settlement with_follow_up(const std::string& id, std::string job = "{}") {
  api::Settlement one = settlement(id, "1");
  one.follow_ups = {std::move(job)};
  return one;
}

TEST(SettleOutbox, ARefusedFollowUpIsSettledAsAFailureThatSaysWhy) {
  struct Case {
    const char* name;
    api::SettleReply::One answer;
    const char* message;
  };
  const Case cases[] = {
      {"a bad member",
       {"a", 400, "enqueue[0].priority: must be 0 to 9", "enqueue[0].priority"},
       "the broker refuses a follow-up job: enqueue[0].priority: must be 0 to 9"},
      {"too large",
       {"a", 413, "enqueue[0].payload: has 9 bytes; the queue takes 8", "enqueue[0].payload"},
       "the broker refuses a follow-up job: enqueue[0].payload: has 9 bytes; the queue takes 8"},
      {"another's queue",
       {"a", 403, "you may not create jobs in queue x", "enqueue[0].queue"},
       "the broker refuses a follow-up job: enqueue[0].queue: you may not create jobs in queue x"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    SettleOutbox outbox(10);
    outbox.add(with_follow_up("a"));

    const auto verdicts = outbox.answered(outbox.batch(), {{c.answer}});

    EXPECT_EQ(verdicts[0].fate, Fate::kAgain);
    const auto again = outbox.batch();
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].outcome, api::Outcome::kFailed);
    EXPECT_EQ(again[0].error->reason, "FollowUpRefused");
    EXPECT_EQ(again[0].error->message, c.message);
    EXPECT_TRUE(again[0].follow_ups.empty());
    EXPECT_EQ(again[0].result_json, "");
  }
}

TEST(SettleOutbox, WhatPassesIsSentAgainWithItsFollowUps) {
  const api::SettleReply::One answers[] = {{"a", 507, "the disk is full", ""},
                                           {"a", 503, "nobody to ask", "enqueue[0].queue"},
                                           {"a", 403, "no token of this queue", ""}};
  for (const api::SettleReply::One& answer : answers) {
    SCOPED_TRACE(answer.problem);
    SettleOutbox outbox(10);
    outbox.add(with_follow_up("a"));

    outbox.answered(outbox.batch(), {{answer}});

    const auto again = outbox.batch();
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].outcome, api::Outcome::kSucceeded);
    EXPECT_EQ(again[0].follow_ups.size(), 1u);
  }
}

TEST(SettleOutbox, AResultThatIsRefusedTakesItsFollowUpsAlong) {
  SettleOutbox outbox(10);
  outbox.add(with_follow_up("a"));

  outbox.answered(outbox.batch(), {{{"a", 413, "result: too large", "result"}}});

  EXPECT_EQ(outbox.batch()[0].error->reason, "ResultTooLarge");
  EXPECT_TRUE(outbox.batch()[0].follow_ups.empty());
}

TEST(SettleOutbox, ARequestThatIsRefusedWholeEndsInAFailureNotInALoop) {
  SettleOutbox outbox(10);
  outbox.add(with_follow_up("a"));

  outbox.refused(outbox.batch(), {ErrorCode::kInvalidArgument, "the body is no JSON"});

  EXPECT_EQ(outbox.batch()[0].error->reason, "FollowUpRefused");
}

TEST(SettleOutbox, OneBadSettlementDoesNotHoldUpItsBatch) {
  SettleOutbox outbox(10);
  outbox.add(settlement("bad"));
  outbox.add(settlement("good"));

  const Error bad{ErrorCode::kInvalidArgument, "no"};
  EXPECT_TRUE(outbox.refused(outbox.batch(), bad).empty());
  const auto alone = outbox.batch();
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_EQ(outbox.refused(alone, bad)[0].fate, Fate::kRefused);

  EXPECT_EQ(outbox.batch()[0].id, "good");
}

TEST(SettleOutbox, ABrokerThatIsAwayLosesNothing) {
  SettleOutbox outbox(10);
  outbox.add(settlement("a"));
  for (const ErrorCode code : {ErrorCode::kUnavailable, ErrorCode::kDeadlineExceeded}) {
    EXPECT_TRUE(outbox.refused(outbox.batch(), {code, "away"}).empty());
  }
  EXPECT_EQ(outbox.size(), 1u);
}

TEST(SettleOutbox, BoundsABatch) {
  SettleOutbox outbox(10);
  const std::string large(SettleOutbox::kBatchBytesMax, 'x');
  outbox.add(settlement("a", large));
  outbox.add(settlement("b", large));
  EXPECT_EQ(outbox.batch().size(), 1u);

  SettleOutbox chains(10);
  chains.add(with_follow_up("a", large));
  chains.add(with_follow_up("b", large));
  EXPECT_EQ(chains.batch().size(), 1u);

  SettleOutbox many(10);
  for (std::size_t i = 0; i < 3 * SettleOutbox::kBatchMax; ++i) {
    many.add(settlement(std::to_string(i)));
  }
  EXPECT_EQ(many.batch().size(), SettleOutbox::kBatchMax);
}

}  // namespace
}  // namespace sluice::worker
