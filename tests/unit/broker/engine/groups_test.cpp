#include <nlohmann/json.hpp>

#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

const QueueName kDeliveries{"default", std::string(kCallbackQueueName)};

class GroupsTest : public EngineTest {
 protected:
  struct Batch {
    Uuid group;
    std::vector<JobId> jobs;
    std::optional<Uuid> sealed;
  };
  Batch enqueue_group(NewGroup wanted, int jobs, NewJob like = {}) {
    Batch batch;
    const auto group = engine_->begin_group(kMail, wanted, now());
    EXPECT_TRUE(group);
    batch.group = *group;
    for (int i = 0; i < jobs; ++i) {
      NewJob job;
      job.expires_at = like.expires_at;
      job.group = *group;
      batch.jobs.push_back(enqueue(std::move(job)));
    }
    batch.sealed = engine_->seal_group(kMail, *group, now(), book_);
    return batch;
  }
  GroupRecord group(Uuid id) const {
    const auto found = engine_->find_group(kMail, id);
    EXPECT_TRUE(found);
    return found ? *found : GroupRecord{};
  }
  void succeed_next() {
    const ClaimGrant grant = claim();
    ASSERT_EQ(grant.jobs.size(), 1u);
    ASSERT_TRUE(settle(grant.jobs[0].id, grant.claim, Outcome::kSucceeded));
  }
  std::vector<nlohmann::json> messages() {
    std::vector<nlohmann::json> all;
    const auto grant = engine_->claim({kDeliveries, "sender", {}, 100}, now(), book_);
    if (!grant) return all;
    for (const Granted& job : grant->jobs) {
      all.push_back(nlohmann::json::parse(book_.bodies.at({grant->queue, job.id})));
    }
    return all;
  }
  static NewGroup told() {
    NewGroup group;
    group.callback = api::Callback{"https://example.org/", ""};
    return group;
  }
};

TEST_F(GroupsTest, TellsOnceWhenAllHaveEnded) {
  const Batch batch = enqueue_group(told(), 3);
  succeed_next();
  fail_next(exit_code(65));
  EXPECT_EQ(group(batch.group).pending(), 1u);
  EXPECT_FALSE(engine_->queue(kDeliveries, now()));

  ASSERT_TRUE(engine_->cancel(kMail, batch.jobs[2], now(), book_));

  const auto sent = messages();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0]["type"], "group.finished");
  EXPECT_EQ(sent[0]["data"]["id"], to_string(batch.group));
  EXPECT_EQ(sent[0]["data"]["total"], 3);
  EXPECT_EQ(sent[0]["data"]["succeeded"], 1);
  EXPECT_EQ(sent[0]["data"]["dead"], 1);
  EXPECT_EQ(sent[0]["data"]["cancelled"], 1);
  EXPECT_TRUE(group(batch.group).finished_at);
}

TEST_F(GroupsTest, ABatchOfNoJobsIsNoGroup) {
  const Batch batch = enqueue_group(told(), 0);

  EXPECT_FALSE(batch.sealed);
  EXPECT_FALSE(engine_->find_group(kMail, batch.group));
}

// As after a batch that was refused whole.
TEST_F(GroupsTest, AnOpenBatchOfNoJobsLeavesNothing) {
  NewGroup wanted = told();
  wanted.id = Uuid{1, 2};
  wanted.open = true;
  const Batch batch = enqueue_group(wanted, 0);

  EXPECT_FALSE(batch.sealed);
  EXPECT_FALSE(engine_->find_group(kMail, batch.group));
  EXPECT_TRUE(book_.groups.empty());
}

TEST_F(GroupsTest, AnOpenGroupWaitsForMore) {
  NewGroup wanted = told();
  wanted.id = Uuid{1, 2};
  wanted.open = true;
  enqueue_group(wanted, 1);
  succeed_next();
  EXPECT_FALSE(group(*wanted.id).finished_at);
  enqueue_group(wanted, 1);

  wanted.open = false;
  enqueue_group(wanted, 0);
  EXPECT_FALSE(group(*wanted.id).finished_at);
  succeed_next();

  EXPECT_TRUE(group(*wanted.id).finished_at);
  EXPECT_EQ(group(*wanted.id).total, 2u);
  EXPECT_EQ(messages().size(), 1u);
}

TEST_F(GroupsTest, TheSameIdIsTheSameGroup) {
  NewGroup wanted = told();
  wanted.id = Uuid{1, 2};

  enqueue_group(wanted, 1);
  enqueue_group(wanted, 1);

  EXPECT_EQ(group(*wanted.id).total, 2u);
}

TEST_F(GroupsTest, ARedrivenJobIsPendingAgainUntilTheGroupHasFinished) {
  const Batch batch = enqueue_group(told(), 2);
  fail_next(exit_code(65));
  const auto redrive = [&] {
    ASSERT_TRUE(engine_->redrive(kMail, {}, 1000, now(), book_));
    advance(1s);
  };
  redrive();
  EXPECT_EQ(group(batch.group).pending(), 2u);

  fail_next(exit_code(65));
  fail_next(exit_code(65));
  ASSERT_TRUE(group(batch.group).finished_at);
  redrive();
  succeed_next();
  succeed_next();

  EXPECT_EQ(group(batch.group).dead, 2u);
  EXPECT_EQ(messages().size(), 1u);
}

TEST_F(GroupsTest, OutlastsARestart) {  // SURVIVAL 20
  const Batch batch = enqueue_group(told(), 2);
  succeed_next();
  restart();
  EXPECT_EQ(group(batch.group).pending(), 1u);

  succeed_next();
  restart();

  EXPECT_TRUE(group(batch.group).finished_at);
  EXPECT_EQ(messages().size(), 1u);
}

TEST_F(GroupsTest, TheOldestFinishedOnesMakeRoom) {
  std::vector<Uuid> ids;
  for (std::size_t i = 0; i <= kFinishedGroupsMax; ++i) {
    ids.push_back(enqueue_group({}, 1).group);
    succeed_next();
  }

  EXPECT_FALSE(engine_->find_group(kMail, ids.front()));
  EXPECT_TRUE(engine_->find_group(kMail, ids[1]));
  EXPECT_EQ(book_.groups.size(), kFinishedGroupsMax);
}

TEST_F(GroupsTest, TooManyUnfinishedOnesAreRefused) {
  for (std::size_t i = 0; i < kGroupsMax; ++i) enqueue_group({}, 1);

  const auto refused = engine_->begin_group(kMail, {}, now());

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kQueueFull);
}

TEST_F(GroupsTest, GoWithTheirQueue) {
  const Batch batch = enqueue_group(told(), 1);
  ASSERT_TRUE(engine_->delete_queue({kMail, {}, JobsPolicy::kPurge}, now(), book_));
  configure({});

  EXPECT_FALSE(engine_->find_group(kMail, batch.group));
  EXPECT_TRUE(book_.groups.empty());
}

}  // namespace
}  // namespace sluice::broker::testing
