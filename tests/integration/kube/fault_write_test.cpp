// Writes to a real API server that fail: each is done in the end, and once (SURVIVAL 4, 5, 7, 15).
#include <gtest/gtest.h>

#include <set>

#include "tests/integration/kube/fault_fixture.h"
#include "tests/integration/kube/proxy_target.h"
#include "tests/support/eventually.h"
#include "tests/support/written_file.h"

namespace sluice::testing {
namespace {

using namespace std::chrono_literals;

const std::string kDryRun = "dryRun=";

class FaultyWrite : public FaultTest {
 protected:
  // Pods that were made, whether the client learnt of it or not.
  int pod_posts() {
    return proxy().count(
        {.method = "POST", .path_contains = scene().pods_path(), .path_lacks = kDryRun});
  }
  bool becomes_pods(std::size_t count) {
    return eventually([&] { return scene().pods().size() == count; });
  }
  // Each of these makes the operator visit the queue.
  void touch_queue(const std::string& text) {
    scene().patch(scene().path("queues", "q"),
                  {{"spec", {{"timeoutSeconds", 100 + static_cast<int>(text.size())}}},
                   {"metadata", {{"annotations", {{"touched", text}}}}}});
    EXPECT_TRUE(eventually([&] {
      Json queue = scene().get(scene().path("queues", "q"));
      for (Json& one : queue["status"]["conditions"]) {
        if (one["type"] == "Ready")
          return one["observedGeneration"] == queue["metadata"]["generation"];
      }
      return false;
    }));
  }
};

// SURVIVAL 4: the version in the write is no longer the object's.
TEST_F(FaultyWrite, StatusThatMeetsANewerVersionIsWrittenAgain) {
  scene().make_queue();
  proxy().on({.method = "PATCH", .path_contains = "/jobs/a/status"}, Fault::hold());
  start_operator();
  scene().make_job("a");
  ASSERT_TRUE(eventually([&] { return proxy().held() == 1; }));

  scene().patch(scene().path("jobs", "a"), {{"metadata", {{"labels", {{"changed", "now"}}}}}});
  proxy().release();

  EXPECT_TRUE(becomes_accepted("a"));
  EXPECT_EQ(scene().broker_jobs().size(), 1U);
}

// SURVIVAL 4
TEST_F(FaultyWrite, ConflictsAreNotCountedAsFailures) {
  scene().make_queue();
  proxy().on({.method = "PATCH", .path_contains = "/status", .times = 20},
             Fault::refuse(409, "Conflict"));
  start_operator();
  scene().make_job("a");

  EXPECT_TRUE(becomes_accepted("a"));
}

// SURVIVAL 4: the pod was made, and nobody said so.
TEST_F(FaultyWrite, PodThatExistsAlreadyIsAdoptedIfItIsOurs) {
  proxy().on({.method = "POST", .path_contains = "/pods?", .times = 2, .path_lacks = kDryRun},
             Fault::cut_answer());
  proxy().on({.path_contains = "/pods?watch=", .times = ProxyMatch::kAlways}, Fault::stall());
  start_operator();
  scene().make_queue(2);

  EXPECT_TRUE(eventually([&] { return pod_posts() >= 4; }));
  touch_queue("x");
  EXPECT_EQ(scene().pods().size(), 2U);
}

// SURVIVAL 4: a name that somebody else's pod has is not ours to take, and blocks nothing else.
TEST_F(FaultyWrite, PodOfSomebodyElseIsLeftAlone) {
  proxy().on({.method = "POST", .path_contains = "/pods?", .path_lacks = kDryRun}, Fault::hold());
  start_operator();
  scene().make_queue(1);
  ASSERT_TRUE(eventually([&] { return proxy().held() == 1; }));
  const auto requests = proxy().requests();
  Json taken;
  for (const ProxiedRequest& one : requests) {
    if (one.fault == Fault::Kind::kHold) taken = Json::parse(one.body);
  }
  taken["metadata"].erase("ownerReferences");
  taken["metadata"].erase("labels");
  taken["metadata"]["namespace"] = scene().ns();
  cluster_.call({.method = "POST", .path = scene().pods_path(), .body = taken.dump()});

  proxy().release();

  const auto queue = scene().path("queues", "q");
  EXPECT_TRUE(eventually([&] {
    return scene().condition(queue, "WorkersAvailable").starts_with("False/");
  })) << scene().condition(queue, "WorkersAvailable");
  Json live = scene().get(scene().pods_path(taken["metadata"]["name"]));
  ASSERT_TRUE(live.is_object());
  EXPECT_FALSE(live["metadata"].contains("ownerReferences"));
  EXPECT_FALSE(live["metadata"].contains("deletionTimestamp"));
}

// SURVIVAL 7
TEST_F(FaultyWrite, PodsThatTheWatchHasNotShownAreNotMadeAgain) {
  proxy().on({.path_contains = "/pods?watch=", .times = ProxyMatch::kAlways}, Fault::hold());
  start_operator();
  scene().make_queue(2);
  ASSERT_TRUE(becomes_pods(2));

  for (const char* text : {"x", "xx", "xxx"}) touch_queue(text);
  EXPECT_EQ(pod_posts(), 2);
  proxy().clear();
  proxy().release();
  touch_queue("xxxx");

  EXPECT_EQ(pod_posts(), 2);
  EXPECT_EQ(scene().pods().size(), 2U);
}

// SURVIVAL 5
TEST_F(FaultyWrite, ServerInTroubleIsOutlasted) {
  const struct {
    const char* name;
    Fault fault;
    int times;
  } cases[] = {{"busy", Fault::too_many_requests(1), 2},
               {"broken", Fault::refuse(500, "InternalError"), 6},
               {"rolling", Fault::refuse(503, "ServiceUnavailable"), 6},
               {"slow", Fault::slow(300ms), 6},
               {"lost", Fault::cut(), 6},
               {"unheard", Fault::cut_answer(), 6}};
  scene().make_queue(1);
  start_operator();
  ASSERT_TRUE(becomes_pods(1));

  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    proxy().on({.times = c.times, .path_lacks = "watch=", .writes = true}, c.fault);
    proxy().cut_all();
    scene().make_job(c.name);
    EXPECT_TRUE(becomes_accepted(c.name));
    proxy().clear();
  }
  EXPECT_EQ(scene().broker_jobs().size(), std::size(cases));
  EXPECT_EQ(scene().pods().size(), 1U);
}

// SURVIVAL 5
TEST_F(FaultyWrite, ApiServerThatGoesAwayAndComesBackIsFollowed) {
  scene().make_queue(1);
  start_operator();
  ASSERT_TRUE(becomes_pods(1));

  proxy().go_down();
  scene().make_job("a");
  scene().remove(scene().pods_path(scene().pods()[0]["metadata"]["name"]));
  proxy().come_back();

  EXPECT_TRUE(becomes_accepted("a"));
  EXPECT_TRUE(becomes_pods(1));
}

// A service account of the scene's namespace, which reaches the API server by its own token.
class FaultyRights : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    if (IsSkipped()) return;
    ProxyTarget target = proxy_target_of(cluster_.config());
    target.token.clear();
    if (target.tls) {
      target.tls->certificate_pem.clear();
      target.tls->key_pem.clear();
    }
    scene_.emplace(cluster_, broker_->url(), target);
    post("/api/v1/namespaces/" + scene().ns() + "/serviceaccounts",
         {{"metadata", {{"name", "operator"}}}});
    post(rbac("roles"),
         {{"metadata", {{"name", "all"}}},
          {"rules", {{{"apiGroups", {"*"}}, {"resources", {"*"}}, {"verbs", {"*"}}}}}});
  }

  std::string rbac(const std::string& plural) const {
    return "/apis/rbac.authorization.k8s.io/v1/namespaces/" + scene_->ns() + "/" + plural;
  }
  std::string post(const std::string& path, const Json& object) {
    return cluster_.call({.method = "POST", .path = path, .body = object.dump()});
  }
  void give_rights() {
    post(rbac("rolebindings"),
         {{"metadata", {{"name", "all"}}},
          {"roleRef",
           {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Role"}, {"name", "all"}}},
          {"subjects",
           {{{"kind", "ServiceAccount"}, {"name", "operator"}, {"namespace", scene().ns()}}}}});
  }
  void take_rights() { scene().remove(rbac("rolebindings") + "/all"); }
  std::string fresh_token() {
    return Json::parse(
        post("/api/v1/namespaces/" + scene().ns() + "/serviceaccounts/operator/token",
             Json{{"spec", Json::object()}}))["status"]["token"];
  }
  std::string token_file() const { return folder_.path() / "token"; }
  OperatorProcess& start_with_token(const std::string& token) {
    replace_file(token_file(), token);
    auto setup = scene().setup();
    setup.token_file = token_file();
    return start_operator(setup);
  }
  int answered(int status) {
    const auto requests = proxy().requests();
    return static_cast<int>(
        std::count_if(requests.begin(), requests.end(),
                      [&](const ProxiedRequest& one) { return one.status == status; }));
  }
};

// SURVIVAL 15
TEST_F(FaultyRights, TakenAwayAndGivenBack) {
  give_rights();
  scene().make_queue(1);
  start_with_token(fresh_token());
  scene().make_job("before");
  ASSERT_TRUE(becomes_accepted("before"));

  take_rights();
  ASSERT_TRUE(eventually([&] {
    proxy().cut_all();
    return answered(403) > 0;
  }));
  scene().make_job("meanwhile");
  scene().remove(scene().pods_path(scene().pods()[0]["metadata"]["name"]));
  give_rights();

  EXPECT_TRUE(becomes_accepted("meanwhile"));
  EXPECT_TRUE(eventually([&] { return scene().pods().size() == 1; }));
}

// SURVIVAL 15
TEST_F(FaultyRights, TokenThatIsRefusedIsReadAgain) {
  give_rights();
  scene().make_queue();
  scene().make_job("a");
  start_with_token("expired");
  ASSERT_TRUE(eventually([&] { return answered(401) > 0; }));

  replace_file(token_file(), fresh_token());

  EXPECT_TRUE(becomes_accepted("a"));
}

// SURVIVAL 15: some kinds are forbidden, for a while.
TEST_F(FaultyWrite, ForbiddenPodsAreAConditionThenMade) {
  proxy().on({.method = "POST",
              .path_contains = "/pods?",
              .times = ProxyMatch::kAlways,
              .path_lacks = kDryRun},
             Fault::refuse(403, "Forbidden", "pods is forbidden"));
  start_operator();
  scene().make_queue(1);
  const auto queue = scene().path("queues", "q");
  EXPECT_TRUE(eventually([&] {
    return scene().condition(queue, "WorkersAvailable").starts_with("False/");
  })) << scene().condition(queue, "WorkersAvailable");

  proxy().clear();

  EXPECT_TRUE(becomes_pods(1));
}

}  // namespace
}  // namespace sluice::testing
