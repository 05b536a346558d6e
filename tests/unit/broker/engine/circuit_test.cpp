#include "broker/engine/circuit.h"

#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

using api::CircuitState;
using RunOutcome = Circuit::RunOutcome;

constexpr SteadyPoint kStart{10'000s};
constexpr api::CircuitBreaker kLimits{
    .failure_percent = 50, .minimum_jobs = 4, .window_seconds = 60, .open_seconds = 30};

void end_many(Circuit& circuit, int count, RunOutcome outcome, SteadyPoint now) {
  for (int i = 0; i < count; ++i) circuit.end(circuit.start(), outcome, kLimits, now);
}

Circuit half_open_at(SteadyPoint now) {
  Circuit circuit;
  end_many(circuit, 4, RunOutcome::kFailed, now - 30s);
  EXPECT_TRUE(circuit.advance(now));
  return circuit;
}

TEST(Circuit, OpensAtTheShareOfFailuresOnceEnoughRunsEnded) {
  Circuit circuit;
  end_many(circuit, 3, RunOutcome::kFailed, kStart);
  EXPECT_EQ(circuit.state(), CircuitState::kClosed);  // fewer than minimumJobs

  end_many(circuit, 4, RunOutcome::kSucceeded, kStart);
  EXPECT_EQ(circuit.state(), CircuitState::kClosed);  // 3 of 7

  end_many(circuit, 1, RunOutcome::kFailed, kStart);
  EXPECT_EQ(circuit.state(), CircuitState::kOpen);  // 4 of 8
  EXPECT_EQ(circuit.starts_left(), 0);
}

TEST(Circuit, ForgetsWhatIsOlderThanItsWindow) {
  Circuit circuit;
  end_many(circuit, 3, RunOutcome::kFailed, kStart);

  end_many(circuit, 1, RunOutcome::kFailed, kStart + 60s);

  EXPECT_EQ(circuit.state(), CircuitState::kClosed);
}

TEST(Circuit, TriesThreeAfterItsOpenTime) {
  Circuit circuit;
  end_many(circuit, 4, RunOutcome::kFailed, kStart);
  EXPECT_FALSE(circuit.advance(kStart + 30s - 1us));

  EXPECT_TRUE(circuit.advance(kStart + 30s));

  EXPECT_EQ(circuit.state(), CircuitState::kHalfOpen);
  for (int left = 3; left > 0; --left) {
    EXPECT_EQ(circuit.starts_left(), left);
    circuit.start();
  }
  EXPECT_EQ(circuit.starts_left(), 0);
}

TEST(Circuit, ClosesWhenAllProbesSucceedAndBeginsAnew) {
  Circuit circuit = half_open_at(kStart);

  end_many(circuit, 3, RunOutcome::kSucceeded, kStart);
  EXPECT_EQ(circuit.state(), CircuitState::kClosed);

  end_many(circuit, 3, RunOutcome::kFailed, kStart);
  EXPECT_EQ(circuit.state(), CircuitState::kClosed);  // the window was cleared
}

TEST(Circuit, OneFailedProbeOpensItAgain) {
  Circuit circuit = half_open_at(kStart);

  end_many(circuit, 2, RunOutcome::kSucceeded, kStart);
  end_many(circuit, 1, RunOutcome::kFailed, kStart + 1s);

  EXPECT_EQ(circuit.state(), CircuitState::kOpen);
  EXPECT_EQ(circuit.opens_until(), kStart + 31s);
}

TEST(Circuit, AProbeThatEndsAsNeitherMakesRoomForAnother) {
  Circuit circuit = half_open_at(kStart);
  end_many(circuit, 5, RunOutcome::kNeither, kStart);
  EXPECT_EQ(circuit.starts_left(), 3);

  end_many(circuit, 3, RunOutcome::kSucceeded, kStart);

  EXPECT_EQ(circuit.state(), CircuitState::kClosed);
}

TEST(Circuit, RunsFromBeforeAreNoProbes) {
  Circuit circuit;
  const std::uint32_t before = circuit.start();
  end_many(circuit, 4, RunOutcome::kFailed, kStart);
  ASSERT_TRUE(circuit.advance(kStart + 30s));
  const std::uint32_t probe = circuit.start();

  circuit.end(before, RunOutcome::kFailed, kLimits, kStart + 30s);
  EXPECT_EQ(circuit.state(), CircuitState::kHalfOpen);
  circuit.end(probe, RunOutcome::kFailed, kLimits, kStart + 30s);
  ASSERT_TRUE(circuit.advance(kStart + 60s));
  circuit.end(probe, RunOutcome::kSucceeded, kLimits, kStart + 60s);

  EXPECT_EQ(circuit.starts_left(), 3);
}

class CircuitTest : public EngineTest {
 protected:
  CircuitTest() {
    spec_.circuit_breaker = kLimits;
    spec_.retry.rules.push_back({.exit_codes = {75}, .action = api::RetryAction::kIgnore});
    configure(spec_);
  }
  // `count` jobs are enqueued, started and fail for good.
  void fail(int count, int code = 65) {
    for (int i = 0; i < count; ++i) {
      enqueue();
      fail_next(exit_code(code));
    }
    effects();
  }

  api::QueueSpec spec_;
};

TEST_F(CircuitTest, AnOpenOneStartsNothingAndSpendsNothing) {
  fail(4);
  const JobId waits = enqueue();

  EXPECT_TRUE(claimed().empty());
  EXPECT_EQ(figures().circuit, CircuitState::kOpen);
  EXPECT_EQ(figures().dispatchable, 0);
  EXPECT_EQ(figures().ready, 1);
  EXPECT_EQ(view(waits).record.attempts, 0u);
}

TEST_F(CircuitTest, ReleasedLostIgnoredAndCancelledRunsDoNotCount) {
  enqueue();
  fail_next(exit_code(75), 3'600);
  for (int i = 0; i < 4; ++i) {
    enqueue();
    const ClaimGrant released = claim();
    ASSERT_TRUE(settle(released.jobs.at(0).id, released.claim, Outcome::kReleased));
    ASSERT_EQ(claim().jobs.size(), 1u);
    advance(31s);  // that lease is lost
    const ClaimGrant stopped = claim();
    ASSERT_TRUE(engine_->cancel(kMail, stopped.jobs.at(0).id, now(), book_));
    ASSERT_TRUE(settle(stopped.jobs[0].id, stopped.claim, Outcome::kFailed, exit_code(1)));
  }

  EXPECT_EQ(figures().circuit, CircuitState::kClosed);
}

TEST_F(CircuitTest, AWaitingClaimGetsAProbeWhenTheOpenTimeIsOver) {
  fail(4);
  enqueue();
  ASSERT_TRUE(claim("waiting").jobs.empty());
  engine_->wait_for_claim(1, request("waiting"));
  effects();
  EXPECT_EQ(engine_->until_next(now()), Duration{30s});

  advance(30s);
  const Effects woken = effects();

  ASSERT_EQ(woken.claims.size(), 1u);
  EXPECT_EQ(woken.claims[0].grant->jobs.size(), 1u);
  EXPECT_EQ(figures().circuit, CircuitState::kHalfOpen);
}

TEST_F(CircuitTest, ThreeProbesThatSucceedLetEverythingStart) {
  fail(4);
  for (int i = 0; i < 10; ++i) enqueue();
  advance(30s);
  EXPECT_EQ(figures().dispatchable, 3);

  const ClaimGrant probes = claim("w", 100);
  ASSERT_EQ(probes.jobs.size(), 3u);
  for (const Granted& job : probes.jobs) {
    ASSERT_TRUE(settle(job.id, probes.claim, Outcome::kSucceeded));
  }

  EXPECT_EQ(claimed().size(), 7u);
}

TEST_F(CircuitTest, EndsWithTheSetting) {
  fail(4);
  enqueue();
  ASSERT_TRUE(claimed().empty());

  configure({});

  EXPECT_EQ(claimed().size(), 1u);
  EXPECT_EQ(figures().circuit, CircuitState::kClosed);
}

TEST_F(CircuitTest, IsClosedAfterARestart) {
  fail(4);
  enqueue();

  restart();

  EXPECT_EQ(claimed().size(), 1u);
}

TEST_F(CircuitTest, ItsChangeIsSignalledAtOnce) {
  engine_->want_signals(true, true);
  fail(3);
  clock_.advance(1s);
  effects();
  enqueue();
  fail_next(exit_code(65));
  clock_.advance(10ms);

  const Effects told = effects();

  ASSERT_EQ(told.signals.size(), 1u);
  EXPECT_EQ(told.signals[0].figures.circuit, CircuitState::kOpen);
}

}  // namespace
}  // namespace sluice::broker::testing
