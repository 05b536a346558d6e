#include "operator/kube/kube_object_store.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/manual_clock.h"
#include "tests/unit/operator/kube/scripted_api_client.h"

namespace sluice::kube {
namespace {

using nlohmann::json;
using op::Object;
using op::ObjectKind;

constexpr const char* kPath = "/apis/sluice.dev/v1alpha1/namespaces/ns/queues";

// The requests themselves; that a real API server takes them so is what the contract shows.
class KubeObjectStoreRequests : public ::testing::Test {
 protected:
  const op::ObjectKey queue_{ObjectKind::kQueue, "ns", "a"};
  testing::ManualClock clock_;
  Script script_;
  std::unique_ptr<ApiClient> client_ = script_.make_client();
  KubeObjectStore store_{*client_,
                         [this] { return script_.make_client(); },
                         clock_,
                         {.calls = {.tries_max = 1}, .watch = {.page_size = 2}}};
};

TEST_F(KubeObjectStoreRequests, ListFollowsContinueAndStartsOverWhenItExpires) {
  script_.answer(200, list_json({object_json("a", 1, 5)}, 10, "t1"))
      .answer(410, status_json(410, "Expired", "continue expired"))
      .answer(200, list_json({object_json("b", 2, 6), object_json("c", 3, 7)}, 20));

  const auto found = store_.list(ObjectKind::kQueue);

  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].key.name, "b");
  const auto requests = script_.requests();
  EXPECT_EQ(requests[0].path, "/apis/sluice.dev/v1alpha1/queues?limit=2");
  EXPECT_EQ(requests[1].path, "/apis/sluice.dev/v1alpha1/queues?limit=2&continue=t1");
  EXPECT_EQ(requests[2].path, "/apis/sluice.dev/v1alpha1/queues?limit=0");
}

TEST_F(KubeObjectStoreRequests, WritesNameTheOperatorAsTheirManager) {
  Object object;
  object.key = queue_;
  script_.answer(201, object_json("a", 1, 5));
  ASSERT_TRUE(store_.create(object));
  script_.answer(404, "").answer(201, object_json("a", 1, 5));
  ASSERT_TRUE(store_.apply(object));
  script_.answer(200, object_json("a", 1, 6));
  ASSERT_TRUE(store_.update_status(queue_, "5", "{}"));

  const auto requests = script_.requests();
  const std::string path = kPath;
  EXPECT_EQ(requests[0].path, path + "?fieldManager=sluice-operator");
  EXPECT_EQ(requests[2].path, path + "/a?fieldManager=sluice-operator&force=true");
  EXPECT_EQ(requests[2].content_type, "application/apply-patch+yaml");
  EXPECT_EQ(requests[3].path, path + "/a/status?fieldManager=sluice-operator");
  EXPECT_EQ(requests[3].content_type, "application/json-patch+json");
}

// Apply would make a queue of nothing but replicas.
TEST_F(KubeObjectStoreRequests, ReplicasAreSetOnlyOnTheQueueThatIsThere) {
  script_.answer(200, object_json("a", 1, 5))
      .answer(409, status_json(409, "Conflict", "uid mismatch"));

  const auto set = store_.set_replicas(queue_, 3);

  EXPECT_EQ(set.error().code, ErrorCode::kConflict);
  const json body = json::parse(script_.requests()[1].body);
  EXPECT_EQ(body.at("metadata").at("uid"), "00000000-0000-0000-0000-000000000001");
  EXPECT_EQ(body.at("spec"), json::parse(R"({"replicas":3})"));
}

TEST_F(KubeObjectStoreRequests, RemovalNamesTheUidAndTakesDependentsAlong) {
  script_.answer(200, "{}");

  ASSERT_TRUE(store_.remove(queue_, "u-1"));

  const ApiRequest request = script_.requests()[0];
  EXPECT_EQ(request.method, "DELETE");
  EXPECT_EQ(json::parse(request.body).at("preconditions").at("uid"), "u-1");
  EXPECT_EQ(json::parse(request.body).at("propagationPolicy"), "Background");
}

// SURVIVAL 11.
TEST_F(KubeObjectStoreRequests, CheckedPodIsInvalidOnlyForWhatIsItsOwnFault) {
  struct Case {
    const char* name;
    int status;
    const char* message;
    std::optional<ErrorCode> want;
  };
  const Case cases[] = {
      {"accepted", 201, "", std::nullopt},
      {"invalid", 422, "spec.containers: Required value", ErrorCode::kInvalidArgument},
      {"malformed", 400, "json: cannot unmarshal", ErrorCode::kInvalidArgument},
      {"pod security", 403, "pods is forbidden: violates PodSecurity", ErrorCode::kInvalidArgument},
      {"quota", 403, "pods is forbidden: exceeded quota: compute", std::nullopt},
      {"rights", 403, "pods is forbidden: User x cannot create resource pods",
       ErrorCode::kPermissionDenied},
      {"overloaded", 503, "try later", ErrorCode::kUnavailable},
  };
  Object pod;
  pod.key = {ObjectKind::kPod, "ns", "a-0"};

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    script_.answer(c.status, status_json(c.status, "", c.message));
    const Status checked = store_.check_pod(pod);
    EXPECT_EQ(checked ? std::nullopt : std::optional(checked.error().code), c.want);
  }
  EXPECT_EQ(script_.requests()[0].path,
            "/api/v1/namespaces/ns/pods?fieldManager=sluice-operator&dryRun=All");
}

}  // namespace
}  // namespace sluice::kube
