#include "operator/kube/kube_object_store.h"
#include "operator/kube/resource_path.h"
#include "tests/integration/kube/cluster.h"
#include "tests/support/eventually.h"
#include "tests/unit/operator/controller/object_store_contract.h"
#include "tests/unit/operator/controller/pod_store_contract.h"

namespace sluice::op {
namespace {

class KubeFixture {
 public:
  KubeFixture() {
    if (!missing().empty()) return;
    client_ = cluster_.make_client();
    store_ = std::make_unique<kube::KubeObjectStore>(
        *client_, [this] { return cluster_.make_client(); }, clock_,
        kube::KubeStoreOptions{.namespaces = {namespace_.name()}});
  }

  ObjectStore& store() { return *store_; }
  std::string namespace_name() const { return namespace_.name(); }
  std::string missing() const { return cluster_.missing(); }
  bool eventually(const std::function<bool()>& fact) const { return testing::eventually(fact); }

  void finish_removal(const Object& pod) {
    const auto answer = client_->send(
        {.method = "DELETE", .path = kube::object_path(pod.key) + "?gracePeriodSeconds=0"});
    ASSERT_TRUE(answer);
    ASSERT_TRUE(answer->status == 200 || answer->status == 404) << answer->body;
  }
  // As `kubectl scale` does it.
  void pin_replicas(const ObjectKey& queue, int replicas) {
    cluster_.call({.method = "PATCH",
                   .path = kube::object_path(queue) + "/scale?fieldManager=kubectl",
                   .body = R"({"spec":{"replicas":)" + std::to_string(replicas) + "}}",
                   .content_type = "application/merge-patch+json"});
  }

 private:
  testing::Cluster cluster_;
  testing::TestNamespace namespace_{cluster_};
  SystemClock clock_;
  std::unique_ptr<kube::ApiClient> client_;
  std::unique_ptr<kube::KubeObjectStore> store_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Kube, ObjectStoreContract, KubeFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Kube, PodStoreContract, KubeFixture);

// What only a real API server refuses, pages and merges.
class KubeObjectStoreTest : public ObjectStoreContract<KubeFixture> {
 protected:
  testing::Cluster cluster_;
  SystemClock clock_;
};

TEST_F(KubeObjectStoreTest, PodTheServerWouldRefuseIsInvalidWithItsMessage) {
  Object bad = pod("a-0", queue("a"));
  bad.owner_uid.clear();
  bad.spec_json =
      R"({"containers":[{"name":"main","image":"none","ports":[{"containerPort":0}]}]})";

  const auto checked = store().check_pod(bad);

  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(checked.error().message.find("containerPort"), std::string::npos);
}

TEST_F(KubeObjectStoreTest, ObjectOverTheSchemasBoundsNamesTheField) {
  const auto refused = store().create(queue("a", R"({"timeoutSeconds":-1})"));

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().field, "spec.timeoutSeconds");
}

TEST_F(KubeObjectStoreTest, ListAndWatchGoThroughEveryPage) {
  const auto client = cluster_.make_client();
  kube::KubeObjectStore paged(
      *client, [this] { return cluster_.make_client(); }, clock_,
      {.namespaces = {fixture_.namespace_name()}, .watch = {.page_size = 2}});
  for (const char* name : {"a", "b", "c", "d", "e"}) ASSERT_TRUE(store().create(job(name)));

  const auto listed = paged.list(ObjectKind::kJob);
  Heard heard;
  const auto watch = paged.watch(
      ObjectKind::kJob, [&](const WatchEvent& event) { heard.say("+" + event.object.key.name); },
      [&] { heard.say("synced"); });

  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->size(), 5u);
  EXPECT_EQ(heard.wait_for(6), (std::vector<std::string>{"+a", "+b", "+c", "+d", "+e", "synced"}));
}

}  // namespace
}  // namespace sluice::op
