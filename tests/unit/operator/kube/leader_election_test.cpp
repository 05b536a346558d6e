#include "operator/kube/leader_election.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace sluice::kube {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Step = LeaderElection::Step;

LeaderRecord held_by(const std::string& holder, const std::string& renewed = "r1") {
  return {.holder = holder,
          .duration = seconds{15},
          .acquire_time = "a",
          .renew_time = renewed,
          .transitions = 4};
}

class LeaderElectionTest : public ::testing::Test {
 protected:
  SteadyPoint now() const { return clock_.now().steady; }
  void observe(const std::optional<LeaderRecord>& record) { election_.observed(record, now()); }
  void win() { election_.written(election_.wanted(clock_.now().wall), now()); }

  testing::ManualClock clock_;
  LeaderElection election_{"me", {}};
};

TEST_F(LeaderElectionTest, MissingOrReleasedRecordIsTaken) {
  observe(std::nullopt);
  EXPECT_EQ(election_.next(now()), Step::kTake);

  observe(held_by(""));
  EXPECT_EQ(election_.next(now()), Step::kTake);
  const LeaderRecord wanted = election_.wanted(clock_.now().wall);
  EXPECT_EQ(wanted.holder, "me");
  EXPECT_EQ(wanted.duration, seconds{15});
  EXPECT_EQ(wanted.transitions, 5);
  EXPECT_EQ(wanted.acquire_time, wanted.renew_time);
}

// SURVIVAL 8: only how long the record stood unchanged here counts, whatever times it names.
TEST_F(LeaderElectionTest, RecordIsTakenOnceItStoodUnchangedForItsDuration) {
  observe(held_by("other", "1999-01-01T00:00:00.000000Z"));
  EXPECT_EQ(election_.next(now()), Step::kWait);

  clock_.advance(seconds{14});
  observe(held_by("other", "1999-01-01T00:00:00.000000Z"));
  EXPECT_EQ(election_.next(now()), Step::kWait);

  clock_.advance(seconds{1});
  observe(held_by("other", "1999-01-01T00:00:00.000000Z"));
  EXPECT_EQ(election_.next(now()), Step::kTake);
}

TEST_F(LeaderElectionTest, RenewedRecordIsLeftAlone) {
  observe(held_by("other", "r1"));
  clock_.advance(seconds{14});

  observe(held_by("other", "r2"));

  clock_.advance(seconds{14});
  EXPECT_EQ(election_.next(now()), Step::kWait);
}

// SURVIVAL 9.
TEST_F(LeaderElectionTest, ClockThatJumpsChangesNothing) {
  observe(held_by("other"));

  clock_.jump_wall(hours{48});

  EXPECT_EQ(election_.next(now()), Step::kWait);
}

TEST_F(LeaderElectionTest, LeadEndsWhenItWasNotRenewedInTime) {
  observe(std::nullopt);
  win();
  EXPECT_TRUE(election_.is_leader(now()));
  EXPECT_EQ(election_.next(now()), Step::kRenew);

  clock_.advance(seconds{9});
  EXPECT_TRUE(election_.is_leader(now()));
  win();
  clock_.advance(seconds{9});
  EXPECT_TRUE(election_.is_leader(now()));

  clock_.advance(seconds{1});
  EXPECT_FALSE(election_.is_leader(now()));
}

TEST_F(LeaderElectionTest, LeadIsMeasuredFromBeforeTheRenewalWasSent) {
  observe(std::nullopt);
  const SteadyPoint sent_at = now();
  const LeaderRecord record = election_.wanted(clock_.now().wall);
  clock_.advance(seconds{8});

  election_.written(record, sent_at);

  EXPECT_EQ(election_.leads_until(), sent_at + seconds{10});
}

TEST_F(LeaderElectionTest, RenewalKeepsWhenAndHowOftenTheLeadChanged) {
  observe(held_by(""));
  win();
  const LeaderRecord first = *election_.record();
  clock_.advance(seconds{2});

  win();

  EXPECT_EQ(election_.record()->transitions, first.transitions);
  EXPECT_EQ(election_.record()->acquire_time, first.acquire_time);
  EXPECT_NE(election_.record()->renew_time, first.renew_time);
}

TEST_F(LeaderElectionTest, LeadIsOverWhenAnotherHoldsIt) {
  observe(std::nullopt);
  win();

  observe(held_by("other"));

  EXPECT_FALSE(election_.is_leader(now()));
  EXPECT_EQ(election_.next(now()), Step::kWait);
}

// A process that takes the name of an earlier one has to write before it leads.
TEST_F(LeaderElectionTest, OwnNameInTheRecordIsNotYetTheLead) {
  observe(held_by("me"));

  EXPECT_FALSE(election_.is_leader(now()));
  EXPECT_EQ(election_.next(now()), Step::kRenew);
}

TEST_F(LeaderElectionTest, ReleasedRecordIsFreeAtOnce) {
  observe(std::nullopt);
  win();

  const LeaderRecord released = election_.released(clock_.now().wall);

  LeaderElection other("other", {});
  other.observed(released, now());
  EXPECT_EQ(other.next(now()), Step::kTake);
}

TEST(MicroTime, HasSixDigits) {
  EXPECT_EQ(format_micro_time(*parse_rfc3339("2026-11-22T16:00:00.25Z")),
            "2026-11-22T16:00:00.250000Z");
}

}  // namespace
}  // namespace sluice::kube
