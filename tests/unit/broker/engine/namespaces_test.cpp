#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

const QueueName kOther{"default", "other"};
const QueueName kForeign{"shop", "mail"};

class NamespacesTest : public EngineTest {
 protected:
  ErrorCode refusal(const QueueName& queue = kMail, std::string payload = "{}") {
    NewJob job;
    job.payload = std::move(payload);
    const auto done = try_enqueue(std::move(job), {}, queue);
    return done ? ErrorCode::kInternal : done.error().code;
  }
  static constexpr ErrorCode kTaken = ErrorCode::kInternal;
};

TEST_F(NamespacesTest, HoldsNoMoreJobsThanItMay) {
  configure({}, kOther);
  configure({}, kForeign);
  engine_->limit_namespaces({{"", {.jobs = 2}}});

  EXPECT_EQ(refusal(kMail), kTaken);
  EXPECT_EQ(refusal(kOther), kTaken);
  EXPECT_EQ(refusal(kMail), ErrorCode::kNamespaceFull);
  EXPECT_EQ(refusal(kForeign), kTaken);
}

TEST_F(NamespacesTest, WhatEndsMakesRoomAndADeadLetterDoesNot) {
  engine_->limit_namespaces({{"", {.jobs = 1}}});
  const JobId id = enqueue();
  const ClaimGrant grant = claim();
  EXPECT_EQ(refusal(), ErrorCode::kNamespaceFull);
  ASSERT_TRUE(settle(id, grant.claim, Outcome::kSucceeded));

  enqueue();
  fail_next(exit_code(65));
  EXPECT_EQ(refusal(), ErrorCode::kNamespaceFull);
  ASSERT_TRUE(engine_->purge_dead(kMail, {}, now(), book_));
  EXPECT_EQ(refusal(), kTaken);
}

TEST_F(NamespacesTest, CountsBytesOfPayloads) {
  engine_->limit_namespaces({{"default", {.bytes = 10}}});

  EXPECT_EQ(refusal(kMail, "\"123456\""), kTaken);
  EXPECT_EQ(refusal(kMail, "\"1\""), ErrorCode::kNamespaceFull);
  EXPECT_EQ(refusal(kMail, "12"), kTaken);
}

TEST_F(NamespacesTest, HoldsNoMoreQueuesThanItMay) {
  engine_->limit_namespaces({{"", {.queues = 1}}, {"shop", {.queues = 2}}});

  const Status second = engine_->configure({kOther, {}, {}, {}}, now(), book_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kNamespaceFull);
  EXPECT_TRUE(engine_->configure({kMail, {}, {}, {}}, now(), book_));
  EXPECT_TRUE(engine_->configure({kForeign, {}, {}, {}}, now(), book_));
  EXPECT_TRUE(engine_->configure({{"shop", "b"}, {}, {}, {}}, now(), book_));
  EXPECT_FALSE(engine_->configure({{"shop", "c"}, {}, {}, {}}, now(), book_));
}

TEST_F(NamespacesTest, ADroppedQueueGivesItsRoomBackAndARestartCountsAnew) {
  configure({}, kOther);
  ASSERT_TRUE(try_enqueue({}, {}, kOther));
  enqueue();
  restart();
  engine_->limit_namespaces({{"", {.jobs = 2}}});
  EXPECT_EQ(refusal(), ErrorCode::kNamespaceFull);

  ASSERT_TRUE(engine_->delete_queue({kOther, {}, JobsPolicy::kPurge}, now(), book_));

  EXPECT_EQ(refusal(), kTaken);
}

}  // namespace
}  // namespace sluice::broker::testing
