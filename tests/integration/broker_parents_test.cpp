// Jobs that wait for others, over a real broker's HTTP (SURVIVAL 29).
#include <gtest/gtest.h>

#include <set>

#include "tests/integration/broker_fixture.h"
#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

class BrokerParents : public BrokerTest {
 protected:
  Reply enqueue_child(const Json& parents, const char* policy = "Dead") {
    return api_.enqueue(
        {{"payload", "child"}, {"dependsOn", parents}, {"onParentFailure", policy}});
  }
  void succeed_next(const Json& result) {
    Json claimed = api_.claim_one("w", 5);
    ASSERT_FALSE(claimed.is_null());
    ASSERT_EQ(api_.settle(claimed, "Succeeded", {{"result", result}})["status"], "ok");
  }
};

TEST_F(BrokerParents, AChildRunsAfterItsParentsAndGetsTheirResults) {
  const std::string a = api_.enqueue_payload("a");
  const std::string b = api_.enqueue_payload("b");
  Reply child = enqueue_child({a, b});
  ASSERT_EQ(child.status, 202) << child.text;
  EXPECT_EQ(child.body["state"], "Blocked");
  EXPECT_EQ(api_.figures()["blocked"], 1);

  succeed_next({{"n", 1}});
  succeed_next("two");
  Json claimed = api_.claim_one("w", 5);

  EXPECT_EQ(claimed["id"], child.body["id"]);
  EXPECT_EQ(claimed["parents"], Json({{a, {{"n", 1}}}, {b, "two"}}));
  Json job = api_.job(child.body["id"]).body;
  EXPECT_EQ(job["dependsOn"], Json({a, b}));
  EXPECT_EQ(job["onParentFailure"], "Dead");
}

TEST_F(BrokerParents, ResultsThatAreTooMuchForOneClaimComeWithTheNext) {
  ASSERT_EQ(api_.put_queue({{"payload", {{"maxResultBytes", 1'048'576}}}}).status, 200);
  const std::string result(1'000'000, 'x');
  const std::string parent = api_.enqueue_payload("parent");
  succeed_next(result);
  Json jobs = Json::array();
  for (int i = 0; i < 80; ++i) jobs.push_back({{"payload", i}, {"dependsOn", {parent}}});
  ASSERT_EQ(api_.post("/jobs:batch", Json{{"jobs", jobs}}.dump()).status, 202);

  std::set<int> claimed;
  int claims = 0;
  for (; claimed.size() < 80 && claims < 10; ++claims) {
    Reply reply = api_.claim("w", 100, 5);
    ASSERT_EQ(reply.status, 200) << reply.text;
    for (Json& job : reply.body["jobs"]) {
      EXPECT_TRUE(job["parents"][parent] == result);
      claimed.insert(job["payload"].get<int>());
    }
  }

  EXPECT_EQ(claimed.size(), 80u);
  EXPECT_EQ(claims, 2);
  EXPECT_EQ(api_.figures()["running"], 80);
}

TEST_F(BrokerParents, FanInAcrossQueuesOfTheNamespace) {
  ApiClient other(broker_.url(), "other");
  ASSERT_EQ(other.put_queue(Json::object()).status, 200);
  const std::string parent = other.enqueue_payload(1);
  const std::string done = other.enqueue_payload(2);
  Json first = other.claim_one("w");
  ASSERT_EQ(other.settle(other.claim_one("w"), "Succeeded", {{"result", 2}})["status"], "ok");
  EXPECT_EQ(first["id"], parent);

  Reply child = enqueue_child({parent, done});
  ASSERT_EQ(child.status, 202) << child.text;
  EXPECT_EQ(child.body["state"], "Blocked");
  ASSERT_EQ(other.settle(first, "Succeeded", {{"result", 1}})["status"], "ok");

  Json claimed = api_.claim_one("w", 5);
  EXPECT_EQ(claimed["parents"], Json({{parent, 1}, {done, 2}}));
}

TEST_F(BrokerParents, AMissingParentIs422AndNamed) {
  const std::string known = api_.enqueue_payload(1);
  for (const char* const missing : {"0192f0c1-0000-7000-8000-000000000001", "no uuid"}) {
    SCOPED_TRACE(missing);
    Reply reply = enqueue_child({known, missing});
    EXPECT_EQ(reply.status, 422) << reply.text;
    EXPECT_EQ(reply.problem(), "missing-parent");
    EXPECT_EQ(reply.member("field"), "dependsOn[1]");
  }
  Json jobs = {{{"payload", 1}, {"dependsOn", {known}}}, {{"payload", 2}, {"dependsOn", {"x"}}}};
  Reply batch = api_.post("/jobs:batch", Json{{"jobs", jobs}}.dump());
  ASSERT_EQ(batch.status, 202) << batch.text;
  EXPECT_EQ(batch.body["results"][0]["state"], "Blocked");
  EXPECT_EQ(batch.body["results"][1]["error"]["status"], 422);
}

TEST_F(BrokerParents, ADeadParentTakesItsChildrenWithItUnlessTheyWantToRun) {
  const std::string parent = api_.enqueue_payload(1);
  const std::string dies = enqueue_child({parent}).body["id"];
  const std::string runs = enqueue_child({parent}, "Run").body["id"];
  Json claimed = api_.claim_one("w");
  const Json never = {{"error", {{"reason", "Test"}, {"retry", "Never"}}}};
  ASSERT_EQ(api_.settle(claimed, "Failed", never)["status"], "ok");

  EXPECT_TRUE(eventually([&] { return state_of(dies) == "Dead" && state_of(runs) == "Ready"; }));
  EXPECT_EQ(api_.job(dies).body["error"]["reason"], "ParentFailed");
  EXPECT_EQ(enqueue_child({parent}).body["state"], "Dead");
  EXPECT_EQ(api_.claim_one("w")["parents"], Json({{parent, nullptr}}));
}

TEST_F(BrokerParents, AParentsResultOutlivesItsTimeToLiveAndARestart) {
  ASSERT_EQ(api_.put_queue({{"resultTTLSeconds", 1}}).status, 200);
  const std::string parent = api_.enqueue_payload(1);
  ASSERT_EQ(
      api_.enqueue({{"payload", "later"}, {"dependsOn", {parent}}, {"delaySeconds", 2}}).status,
      202);
  succeed_next("kept");
  broker_.kill9();
  broker_.start();

  Json claimed;
  ASSERT_TRUE(eventually([&] {
    claimed = api_.claim_one("w", 1);
    return !claimed.is_null();
  }));
  EXPECT_EQ(claimed["parents"][parent], "kept");
  EXPECT_EQ(state_of(parent), "Succeeded");
  ASSERT_EQ(api_.settle(claimed, "Succeeded")["status"], "ok");
  EXPECT_TRUE(eventually([&] { return api_.job(parent).status == 404; }));
}

TEST_F(BrokerParents, AllChildrenAreReleasedThoughTheBrokerIsKilledMeanwhile) {
  const std::string parent = api_.enqueue_payload(1);
  Json jobs = Json::array();
  for (int i = 0; i < 1'000; ++i) jobs.push_back({{"payload", i}, {"dependsOn", {parent}}});
  ASSERT_EQ(api_.post("/jobs:batch", Json{{"jobs", jobs}}.dump()).status, 202);
  Json claimed = api_.claim_one("w");

  ASSERT_EQ(api_.settle(claimed, "Succeeded")["status"], "ok");
  broker_.kill9();
  broker_.start();

  EXPECT_TRUE(eventually([&] { return api_.figures().value("ready", 0) == 1'000; }))
      << api_.figures().dump();
  EXPECT_EQ(api_.figures()["blocked"], 0);
}

}  // namespace
}  // namespace sluice::testing
