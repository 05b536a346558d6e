#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

const QueueName kReports{"default", "reports"};
const QueueName kForeign{"other", "mail"};

class ParentsTest : public EngineTest {
 protected:
  NewJob child_of(std::vector<JobId> parents,
                  api::ParentFailure policy = api::ParentFailure::kDead) {
    NewJob job;
    job.depends_on = std::move(parents);
    job.on_parent_failure = policy;
    return job;
  }

  // Lets everything be released that is to be.
  void settle_down() { advance(0s); }

  // Of whatever claim it was handed out by.
  ClaimNumber lease_of(JobId id) {
    const ClaimGrant grant = claim("w", 100);
    for (const Granted& job : grant.jobs) leases_[job.id] = grant.claim;
    EXPECT_TRUE(leases_.contains(id)) << "not claimed: " << to_string(id);
    return leases_[id];
  }
  void succeed(JobId id, std::string result = R"({"n":1})") {
    ASSERT_TRUE(settle(id, lease_of(id), Outcome::kSucceeded, {}, {}, std::move(result)));
    settle_down();
  }
  void kill(JobId id) {
    ASSERT_TRUE(settle(id, lease_of(id), Outcome::kFailed, exit_code(65)));
    settle_down();
  }
  void cancel(JobId id) {
    ASSERT_TRUE(engine_->cancel(kMail, id, now(), book_));
    settle_down();
  }

  // What the store would answer about a job that has ended.
  Lookup looked_up(JobId id) {
    auto parents = std::make_shared<EndedParents>();
    (*parents)[id] = nullptr;
    for (const auto& [key, kept] : book_.finished) {
      if (key.second != id) continue;
      auto parent = std::make_shared<EndedParent>();
      parent->queue = kMail;
      parent->record = kept.record;
      parent->extras = std::make_unique<JobExtras>(kept.extras);
      parent->result_json = kept.result;
      parent->record.extras = parent->extras.get();
      parent->record.result_json = parent->result_json;
      (*parents)[id] = std::move(parent);
    }
    Lookup lookup;
    lookup.parents = std::move(parents);
    return lookup;
  }

  std::size_t kept_parents() const { return book_.outcomes.size(); }

  std::map<JobId, ClaimNumber> leases_;
};

TEST_F(ParentsTest, AChildWaitsForAllItsParents) {
  const JobId a = enqueue(), b = enqueue();
  const JobId child = enqueue(child_of({a, b}));
  EXPECT_EQ(state(child), JobState::kBlocked);
  EXPECT_EQ(figures().blocked, 1);
  EXPECT_EQ(figures().backlog, 3);

  const ClaimGrant grant = claim("w", 10);
  EXPECT_EQ(grant.jobs.size(), 2u) << "the child is not handed out";
  ASSERT_TRUE(settle(a, grant.claim, Outcome::kSucceeded));
  settle_down();
  EXPECT_EQ(state(child), JobState::kBlocked);
  ASSERT_TRUE(settle(b, grant.claim, Outcome::kSucceeded));
  settle_down();

  EXPECT_EQ(state(child), JobState::kReady);
  EXPECT_EQ(claimed(), std::vector{child});
}

TEST_F(ParentsTest, AWaitingClaimIsServedInTheStepThatEndsTheParent) {
  const JobId parent = enqueue();
  const ClaimGrant grant = claim();
  const JobId child = enqueue(child_of({parent}));
  ASSERT_TRUE(claim("other").jobs.empty());
  engine_->wait_for_claim(7, request("other"));
  effects();

  ASSERT_TRUE(settle(parent, grant.claim, Outcome::kSucceeded));
  const Effects done = effects();

  ASSERT_EQ(done.claims.size(), 1u);
  EXPECT_EQ(done.claims[0].grant->jobs.at(0).id, child);
}

TEST_F(ParentsTest, TheClaimSaysWhereTheParentsResultsAre) {
  const JobId parent = enqueue();
  const JobId child = enqueue(child_of({parent}));
  succeed(parent);

  const ClaimGrant grant = claim();

  ASSERT_EQ(grant.jobs.at(0).id, child);
  ASSERT_EQ(grant.jobs[0].parents.size(), 1u);
  EXPECT_EQ(grant.jobs[0].parents[0].id, parent);
  EXPECT_EQ(grant.jobs[0].parents[0].queue, grant.queue);
}

TEST_F(ParentsTest, TheRecordOfAParentStaysUntilItsLastChildEnds) {
  api::QueueSpec spec;
  spec.result_ttl_seconds = 0;
  configure(spec);
  const JobId parent = enqueue();
  const JobId first = enqueue(child_of({parent})), second = enqueue(child_of({parent}));
  succeed(parent, R"("kept")");

  ASSERT_EQ(kept_parents(), 1u);
  EXPECT_EQ(book_.outcomes.begin()->second.result, R"("kept")");
  succeed(first);
  restart();
  EXPECT_EQ(kept_parents(), 1u);
  succeed(second);

  EXPECT_EQ(kept_parents(), 0u);
}

// SURVIVAL 29
TEST_F(ParentsTest, AParentThatFailsTakesItsChildrenWithIt) {
  const JobId dead = enqueue(), cancelled = enqueue();
  const JobId of_dead = enqueue(child_of({dead}));
  const JobId of_cancelled = enqueue(child_of({cancelled}));
  const JobId grandchild = enqueue(child_of({of_dead}));
  cancel(cancelled);
  kill(dead);

  for (const JobId id : {of_dead, of_cancelled, grandchild}) {
    EXPECT_EQ(state(id), JobState::kDead);
    EXPECT_EQ(view(id).extras.error->reason, "ParentFailed");
    EXPECT_EQ(view(id).record.attempts, 0u);
  }
  EXPECT_EQ(figures().blocked, 0);
}

// SURVIVAL 29
TEST_F(ParentsTest, OrLetsThemRunWhereTheyWantTo) {
  const JobId parent = enqueue();
  const JobId child = enqueue(child_of({parent}, api::ParentFailure::kRun));

  kill(parent);

  EXPECT_EQ(state(child), JobState::kReady);
  EXPECT_FALSE(claim().jobs.at(0).parents.at(0).queue) << "a failed parent has no result";
}

// SURVIVAL 29
TEST_F(ParentsTest, AJobThatIsNoneIsNoParent) {
  const JobId known = enqueue();
  configure({}, kForeign);
  const JobId foreign = try_enqueue({}, {}, kForeign)->id;

  for (const JobId missing : {Uuid{9, 9}, foreign}) {
    EXPECT_EQ(engine_->unknown_parents(kMail, std::vector{known, missing}), std::vector{missing});
    const auto refused = try_enqueue(child_of({known, missing}), looked_up(missing));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
    EXPECT_EQ(refused.error().field, "dependsOn[1]");
  }
  EXPECT_EQ(figures().backlog, 1);
}

// SURVIVAL 29
TEST_F(ParentsTest, AParentThatHasEndedCountsAtOnce) {
  const JobId done = enqueue();
  succeed(done);
  const JobId cancelled = enqueue();
  cancel(cancelled);

  const auto ready = try_enqueue(child_of({done}), looked_up(done));
  const auto dead = try_enqueue(child_of({cancelled}), looked_up(cancelled));
  const auto runs =
      try_enqueue(child_of({cancelled}, api::ParentFailure::kRun), looked_up(cancelled));

  ASSERT_TRUE(ready && dead && runs);
  EXPECT_EQ(ready->state, JobState::kReady);
  EXPECT_EQ(dead->state, JobState::kDead);
  EXPECT_EQ(runs->state, JobState::kReady);
  EXPECT_EQ(kept_parents(), 2u) << "children need them, past their time to live";
  EXPECT_TRUE(try_enqueue(child_of({done}))) << "known by now: no lookup is needed";
}

TEST_F(ParentsTest, AParentThatEndedSinceTheLookupIsLookedUpAgain) {
  const JobId parent = enqueue();
  ASSERT_TRUE(engine_->unknown_parents(kMail, std::vector{parent}).empty());
  succeed(parent);

  const auto stale = try_enqueue(child_of({parent}));

  ASSERT_TRUE(stale);
  EXPECT_TRUE(stale->stale);
  EXPECT_EQ(figures().backlog, 0);
  EXPECT_EQ(try_enqueue(child_of({parent}), looked_up(parent))->state, JobState::kReady);
}

TEST_F(ParentsTest, ADeadParentCountsAsItIs) {
  const JobId parent = enqueue();
  kill(parent);

  EXPECT_EQ(try_enqueue(child_of({parent}))->state, JobState::kDead);
  EXPECT_EQ(try_enqueue(child_of({parent}, api::ParentFailure::kRun))->state, JobState::kReady);
}

TEST_F(ParentsTest, ADelayedChildKeepsItsTime) {
  const JobId parent = enqueue();
  NewJob job = child_of({parent});
  job.delay = 1h;
  const JobId child = enqueue(std::move(job));

  succeed(parent);

  EXPECT_EQ(state(child), JobState::kScheduled);
  advance(1h);
  EXPECT_EQ(state(child), JobState::kReady);
}

TEST_F(ParentsTest, AChildThatIsCancelledOrExpiresIsWaitedForByNobody) {
  const JobId parent = enqueue();
  const JobId cancelled = enqueue(child_of({parent}));
  NewJob expiring = child_of({parent});
  expiring.expires_at = now().wall + 10s;
  const JobId expired = enqueue(std::move(expiring));

  cancel(cancelled);
  advance(10s);
  succeed(parent);

  EXPECT_EQ(state(cancelled), JobState::kCancelled);
  EXPECT_EQ(view(expired).extras.error->reason, "Expired");
  EXPECT_EQ(kept_parents(), 1u) << "the dead child may be redriven";
  ASSERT_EQ(*engine_->purge_dead(kMail, {}, now(), book_), 1u);
  EXPECT_EQ(kept_parents(), 0u);
}

TEST_F(ParentsTest, RedrivingAParentRevivesNothing) {
  const JobId parent = enqueue();
  const JobId child = enqueue(child_of({parent}));
  kill(parent);
  DeadFilter only_parent;
  only_parent.ids = std::vector{parent};

  ASSERT_TRUE(engine_->redrive(kMail, only_parent, 100, now(), book_));

  EXPECT_EQ(state(parent), JobState::kReady);
  EXPECT_EQ(state(child), JobState::kDead);
}

TEST_F(ParentsTest, RedrivingAChildChecksItsParentsAgain) {
  const JobId parent = enqueue();
  const JobId child = enqueue(child_of({parent}));
  kill(parent);
  DeadFilter only_child, only_parent;
  only_child.ids = std::vector{child};
  only_parent.ids = std::vector{parent};

  advance(1s);
  ASSERT_TRUE(engine_->redrive(kMail, only_child, 100, now(), book_));
  EXPECT_EQ(state(child), JobState::kDead) << "its parent is still dead";
  ASSERT_TRUE(engine_->redrive(kMail, only_parent, 100, now(), book_));
  advance(1s);
  ASSERT_TRUE(engine_->redrive(kMail, only_child, 100, now(), book_));
  EXPECT_EQ(state(child), JobState::kBlocked) << "its parent has another life";
  restart();
  EXPECT_EQ(state(child), JobState::kBlocked);
  succeed(parent);

  EXPECT_EQ(state(child), JobState::kReady);
}

TEST_F(ParentsTest, ManyChildrenAreReleasedInSlicesThatACrashDoesNotEnd) {
  const JobId parent = enqueue();
  constexpr int kChildren = 200;
  for (int i = 0; i < kChildren; ++i) enqueue(child_of({parent}));
  const ClaimGrant grant = claim();
  ASSERT_TRUE(settle(parent, grant.claim, Outcome::kSucceeded));

  effects();
  const std::int64_t released = figures().ready;
  EXPECT_GT(released, 0);
  EXPECT_LT(released, kChildren);
  EXPECT_EQ(*engine_->until_next(now()), 0s);
  restart();
  settle_down();

  EXPECT_EQ(figures().ready, kChildren);
  EXPECT_EQ(figures().blocked, 0);
  restart();
  EXPECT_EQ(figures().ready, kChildren);
}

TEST_F(ParentsTest, ARestartChangesNothing) {
  const JobId living = enqueue({.delay = 1h}), done = enqueue();
  const JobId blocked = enqueue(child_of({living, done}));
  const JobId released = enqueue(child_of({done}));
  succeed(done);

  restart();
  settle_down();

  EXPECT_EQ(state(blocked), JobState::kBlocked);
  EXPECT_EQ(state(released), JobState::kReady);
  EXPECT_EQ(kept_parents(), 1u);
  EXPECT_EQ(claim().jobs.at(0).parents.size(), 1u);
}

TEST_F(ParentsTest, AQueueThatIsDroppedEndsItsParents) {
  configure({}, kReports);
  const JobId living = enqueue();
  const JobId done = enqueue();
  const auto waits = try_enqueue(child_of({living}), {}, kReports);
  const auto runs = try_enqueue(child_of({living, done}, api::ParentFailure::kRun), {}, kReports);
  ASSERT_TRUE(waits && runs);
  succeed(done);

  ASSERT_TRUE(engine_->delete_queue({kMail, {}, JobsPolicy::kPurge}, now(), book_));
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    settle_down();
    EXPECT_EQ(engine_->find(kReports, waits->id, now())->state, JobState::kDead);
    EXPECT_EQ(engine_->find(kReports, runs->id, now())->state, JobState::kReady);
    restart();
  }
  EXPECT_TRUE(book_.outcomes.empty());
}

TEST_F(ParentsTest, AParentWithASourceIsKeptForBoth) {
  NewJob job;
  job.source = JobSource{"Job", "uid", "name"};
  const JobId parent = enqueue(std::move(job));
  const JobId child = enqueue(child_of({parent}));
  succeed(parent);

  engine_->acknowledge(kMail, std::vector{parent}, now(), book_);
  EXPECT_EQ(kept_parents(), 1u) << "its child needs it";
  succeed(child);

  EXPECT_EQ(kept_parents(), 0u);
}

// A batch is one step: what its first job pushes out is a parent of its second all the same.
TEST_F(ParentsTest, ADeadLetterThatMakesRoomIsStillAParentInTheSameStep) {
  api::QueueSpec spec;
  spec.dead_letter.max_jobs = 1;
  configure(spec);
  configure({}, kReports);
  const JobId elsewhere = try_enqueue({}, {}, kReports)->id;
  const auto grant = engine_->claim({kReports, "w", "w-uid", 1}, now(), book_);
  ASSERT_TRUE(engine_->settle(
      {kReports, elsewhere, grant->claim, Outcome::kFailed, {}, exit_code(65), {}}, now(), book_));
  const JobId dead = enqueue();
  kill(dead);
  const NewJob first = child_of({elsewhere}), second = child_of({dead});
  ASSERT_FALSE(engine_->is_stale(kMail, first, {}) || engine_->is_stale(kMail, second, {}));
  advance(1s);

  const auto dies = try_enqueue(first);
  const auto dies_too = try_enqueue(second);

  ASSERT_TRUE(dies && dies_too);
  EXPECT_FALSE(engine_->find(kMail, dead, now())) << "made room for the first";
  EXPECT_FALSE(dies_too->stale);
  EXPECT_EQ(state(dies_too->id), JobState::kDead);
  EXPECT_EQ(view(dies_too->id).extras.error->reason, "ParentFailed");
}

}  // namespace
}  // namespace sluice::broker::testing
