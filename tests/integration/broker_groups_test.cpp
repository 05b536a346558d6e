// Groups, unique keys and limits of namespaces, as producers meet them.
#include "tests/integration/broker_fixture.h"
#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

class GroupTest : public BrokerTest {
 protected:
  Reply batch(const Json& jobs, const Json& group) {
    return api_.post("/jobs:batch", Json{{"jobs", jobs}, {"group", group}}.dump());
  }
  Reply group(const std::string& id) { return api_.get(api_.queue_path() + "/groups/" + id); }
  void succeed_one() {
    const Json claimed = api_.claim_one("w");
    ASSERT_EQ(api_.settle(claimed, "Succeeded")["status"], "ok");
  }
};

TEST_F(GroupTest, CountsHowItsJobsEndAcrossAKill) {  // SURVIVAL 20
  Reply made = batch({{{"payload", 1}}, {{"payload", 2}}}, Json::object());
  ASSERT_EQ(made.status, 202) << made.text;
  const std::string id = made.member("group");
  succeed_one();
  broker_.kill9();
  broker_.start();

  Reply half = group(id);
  EXPECT_EQ(half.member("total"), 2);
  EXPECT_EQ(half.member("pending"), 1);
  succeed_one();

  Reply whole = group(id);
  EXPECT_EQ(whole.member("succeeded"), 2);
  EXPECT_TRUE(whole.member("finishedAt").is_string());
}

TEST_F(GroupTest, ABatchSentAgainIsTheSameGroup) {
  const Json jobs = {{{"payload", 1}, {"idempotencyKey", "a"}}};
  const Json wanted = {{"id", "0192f0c1-0000-7000-8000-000000000001"}};
  ASSERT_EQ(batch(jobs, wanted).status, 202);

  Reply again = batch(jobs, wanted);

  EXPECT_EQ(again.member("group"), wanted["id"]);
  EXPECT_EQ(group(wanted["id"]).member("total"), 1);
}

TEST_F(GroupTest, AGroupThatIsNotThereIsNotFound) {
  EXPECT_EQ(group("0192f0c1-0000-7000-8000-00000000000f").status, 404);
  EXPECT_EQ(group("none").status, 404);
  Reply none = batch(Json::array(), Json::object());
  EXPECT_EQ(none.status, 202);
  EXPECT_TRUE(none.member("group").is_null());
}

TEST_F(GroupTest, ADuplicateOfAUniqueKeyIsAnsweredWithTheFirst) {
  Reply first = api_.enqueue({{"payload", 1}, {"uniqueKey", "k"}});
  ASSERT_EQ(first.status, 202);

  Reply second = api_.enqueue({{"payload", 2}, {"uniqueKey", "k"}});
  Reply third = api_.enqueue({{"payload", 3}, {"uniqueKey", "k"}, {"onDuplicate", "Replace"}});

  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.member("id"), first.member("id"));
  EXPECT_EQ(third.status, 202);
  EXPECT_EQ(third.member("replaced"), first.member("id"));
  EXPECT_EQ(state_of(first.member("id")), "Cancelled");
  EXPECT_EQ(api_.claim_one("w")["payload"], 3);
}

TEST(NamespaceLimits, AreTold) {
  TemporaryFolder folder;
  BrokerProcess broker(folder.path() / "data", {"--namespace-limit", "queues=1,jobs=1"});
  ApiClient api(broker.url());
  ASSERT_EQ(api.put_queue(Json::object()).status, 200);
  ASSERT_EQ(api.enqueue({{"payload", 1}}).status, 202);

  const Reply job = api.enqueue({{"payload", 1}});
  const Reply queue = ApiClient(broker.url(), "another").put_queue(Json::object());

  EXPECT_EQ(job.status, 429);
  EXPECT_EQ(job.problem(), "namespace-full");
  EXPECT_EQ(queue.status, 429);
  EXPECT_EQ(queue.problem(), "namespace-full");
}

}  // namespace
}  // namespace sluice::testing
