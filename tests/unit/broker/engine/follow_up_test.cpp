#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

const QueueName kOther{"default", "reports"};

class FollowUpTest : public EngineTest {
 protected:
  static FollowUp job_for(const QueueName& queue, std::string payload = "1") {
    FollowUp follow_up{queue, {}};
    follow_up.job.payload = std::move(payload);
    return follow_up;
  }
  Status succeed(JobId id, ClaimNumber lease, std::vector<FollowUp> follow_ups) {
    SettleRequest request{kMail, id, lease, Outcome::kSucceeded, "null", {}, {}};
    request.follow_ups = std::move(follow_ups);
    return engine_->settle(std::move(request), now(), book_);
  }
  std::int64_t ready_in(const QueueName& queue) {
    return engine_->queue(queue, now())->figures.ready;
  }
};

TEST_F(FollowUpTest, ComeWithTheSettlementInWhateverQueue) {
  configure({}, kOther);
  const JobId id = enqueue();
  const ClaimNumber lease = claim().claim;

  ASSERT_TRUE(succeed(id, lease, {job_for(kMail), job_for(kOther), job_for(kOther)}));

  EXPECT_EQ(state(id), JobState::kSucceeded);
  EXPECT_EQ(ready_in(kMail), 1);
  EXPECT_EQ(ready_in(kOther), 2);
  EXPECT_EQ(book_.bodies.size(), 3u);
}

TEST_F(FollowUpTest, ComeOnceThoughTheSettlementIsRepeated) {
  const JobId id = enqueue();
  const ClaimNumber lease = claim().claim;

  ASSERT_TRUE(succeed(id, lease, {job_for(kMail)}));
  EXPECT_FALSE(succeed(id, lease, {job_for(kMail)})) << "the store answers this one";

  EXPECT_EQ(ready_in(kMail), 1);
}

TEST_F(FollowUpTest, OneThatCannotBeTakenLeavesTheSettlementUndone) {
  api::QueueSpec small;
  small.payload.max_bytes = 10;
  configure(small, kOther);
  const JobId id = enqueue();
  const ClaimNumber lease = claim().claim;

  const Status no_queue = succeed(id, lease, {job_for(kMail), job_for({"default", "none"})});
  const Status too_large = succeed(id, lease, {job_for(kOther, "\"0123456789\"")});

  ASSERT_FALSE(no_queue);
  EXPECT_EQ(no_queue.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(no_queue.error().field, "enqueue[1].queue");
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(too_large.error().field, "enqueue[0].payload");
  EXPECT_EQ(state(id), JobState::kRunning);
  EXPECT_EQ(ready_in(kMail), 0);
}

TEST_F(FollowUpTest, AStaleLeaseBringsNone) {
  const JobId id = enqueue();
  const ClaimNumber stale = claim().claim;
  advance(1h);

  EXPECT_FALSE(succeed(id, stale, {job_for(kMail)}));

  EXPECT_EQ(figures().backlog, 1);
}

TEST_F(FollowUpTest, APauseDoesNotHoldThemUp) {
  const JobId id = enqueue();
  const ClaimNumber lease = claim().claim;
  ASSERT_TRUE(engine_->pause(kMail, true, {}, now(), book_));

  EXPECT_TRUE(succeed(id, lease, {job_for(kMail)}));

  EXPECT_EQ(ready_in(kMail), 1);
}

TEST_F(FollowUpTest, EndsAreToldToWhoListens) {
  const JobId unheard = enqueue();
  ASSERT_TRUE(settle(unheard, claim().claim, Outcome::kSucceeded));
  EXPECT_TRUE(effects().ends.empty());

  engine_->listen_to_ends(kMail);
  const JobId done = enqueue();
  ASSERT_TRUE(settle(done, claim().claim, Outcome::kSucceeded));
  const JobId dead = enqueue();
  fail_next(exit_code(65));
  const JobId cancelled = enqueue();
  ASSERT_TRUE(engine_->cancel(kMail, cancelled, now(), book_));
  const std::vector<Effects::JobEnd> ends = effects().ends;
  engine_->stop_listening_to_ends(kMail);
  ASSERT_EQ(*engine_->purge_dead(kMail, {}, now(), book_), 1u);

  ASSERT_EQ(ends.size(), 3u);
  EXPECT_EQ(ends[0].id, done);
  EXPECT_EQ(ends[0].state, JobState::kSucceeded);
  EXPECT_EQ(ends[1].id, dead);
  EXPECT_EQ(ends[1].reason, "ExitCode");
  EXPECT_EQ(ends[2].state, JobState::kCancelled);
  EXPECT_TRUE(effects().ends.empty());
}

}  // namespace
}  // namespace sluice::broker::testing
