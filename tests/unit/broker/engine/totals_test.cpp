#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

class TotalsTest : public EngineTest {
 protected:
  QueueTotals totals() { return engine_->queue(kMail, now())->totals; }
  std::uint64_t runs(RunEnd end) { return totals().run_ends[static_cast<std::size_t>(end)]; }
};

TEST_F(TotalsTest, ASettlementCountsOnceHoweverOftenItIsRepeated) {
  api::QueueSpec spec;
  spec.retry.max_attempts = 1;
  configure(spec);
  const JobId id = enqueue();
  const ClaimNumber lease = claim().claim;

  ASSERT_TRUE(settle(id, lease, Outcome::kFailed, exit_code(1)));
  ASSERT_TRUE(settle(id, lease, Outcome::kFailed, exit_code(1)));

  EXPECT_EQ(totals().enqueued, 1u);
  EXPECT_EQ(totals().started, 1u);
  EXPECT_EQ(totals().dead, 1u);
  EXPECT_EQ(runs(RunEnd::kFailed), 1u);
}

TEST_F(TotalsTest, ARunThatIsTriedAgainEndsNoJob) {
  enqueue();

  fail_next();

  EXPECT_EQ(totals().dead, 0u);
  EXPECT_EQ(runs(RunEnd::kFailed), 1u);
}

TEST_F(TotalsTest, EndsThatTheBrokerDecidesCountToo) {
  api::QueueSpec spec;
  spec.retry.max_attempts = 1;
  spec.retry.max_lease_losses = 0;
  spec.lease_seconds = 10;
  spec.timeout_seconds = 30;
  configure(spec);
  NewJob expiring;
  expiring.expires_at = now().wall + 1s;
  const JobId late = enqueue(std::move(expiring));
  advance(1s);
  EXPECT_EQ(state(late), JobState::kDead);
  EXPECT_EQ(totals().dead, 1u);

  NewJob child;
  const JobId lost = enqueue();
  child.depends_on = {lost};
  enqueue(std::move(child));
  claim();
  advance(10s);  // no heartbeat
  advance(0s);
  EXPECT_EQ(totals().dead, 3u) << "the job and the one that depends on it";
  EXPECT_EQ(runs(RunEnd::kLeaseLost), 1u);

  ASSERT_TRUE(engine_->cancel(kMail, enqueue(), now(), book_));
  EXPECT_EQ(totals().cancelled, 1u);
}

TEST_F(TotalsTest, ATimeoutAndASuccessAreTold) {
  api::QueueSpec spec;
  spec.lease_seconds = 60;
  spec.timeout_seconds = 10;
  configure(spec);
  enqueue();
  claim();
  advance(15s);
  EXPECT_EQ(runs(RunEnd::kTimeout), 1u);

  const JobId good = enqueue();
  ASSERT_TRUE(settle(good, claim().claim, Outcome::kSucceeded));
  EXPECT_EQ(totals().succeeded, 1u);
  EXPECT_EQ(runs(RunEnd::kSucceeded), 1u);
}

TEST_F(TotalsTest, ARestartBeginsAnew) {
  enqueue();
  claim();

  restart();

  EXPECT_EQ(totals().enqueued, 0u);
  EXPECT_EQ(totals().started, 0u);
}

}  // namespace
}  // namespace sluice::broker::testing
