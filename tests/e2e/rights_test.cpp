// Who may do what, asked of the broker in the cluster.
#include <gmock/gmock.h>

#include "common/http/client.h"
#include "tests/e2e/tenant.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

class Rights : public Tenant {
 protected:
  void SetUp() override {
    Tenant::SetUp();
    apply({queue("mail", "echo 1"), queue("video", "echo 1")});
    ASSERT_TRUE(becomes([&] { return condition("sq", "mail", "Ready").starts_with("True"); }));
    ASSERT_TRUE(becomes([&] {
      ca_ = kubectl(
                {"get", "configmap", "sluice-ca", "-n", ns(), "-o", R"(jsonpath={.data.ca\.crt})"})
                .out;
      return !ca_.empty();
    }));
    address_ = kubectl_json(
        {"get", "service", "sluice-broker", "-n", kReleaseNamespace})["spec"]["clusterIP"];
  }

  std::string token(const std::string& account, const std::string& audience) {
    const Ran ran = kubectl({"create", "token", account, "-n", ns(), "--audience", audience});
    EXPECT_TRUE(ran.ok()) << ran.err;
    return ran.out.substr(0, ran.out.find('\n'));
  }

  http::Response post(const std::string& token, const std::string& queue, const std::string& call,
                      const std::string& body) {
    const auto url = http::parse_url("https://" + address_ + ":7070");
    http::Client client(*url,
                        {.ca_pem = ca_,
                         .server_name = std::string("sluice-broker.") + kReleaseNamespace + ".svc",
                         .token = token});
    const auto response =
        client.send({.method = "POST",
                     .target = "/v1/namespaces/" + ns() + "/queues/" + queue + "/jobs" + call,
                     .body = body});
    EXPECT_TRUE(response) << (response ? "" : response.error().message);
    return response ? *response : http::Response{};
  }

  static inline const std::string kClaim = R"({"worker":"w","instance":"i","max":1})";

 private:
  std::string ca_;
  std::string address_;
};

TEST_F(Rights, WithoutATokenNothingIsTaken) {
  EXPECT_EQ(post("", "mail", "", R"({"payload":1})").status, 401);
  EXPECT_EQ(post("garbage", "mail", "", R"({"payload":1})").status, 401);
}

TEST_F(Rights, ARefusalNamesTheMissingRight) {
  const auto refused = post(token("default", "sluice"), "mail", "", R"({"payload":1})");

  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("create"));
  EXPECT_THAT(refused.body, HasSubstr("queues/jobs"));
}

TEST_F(Rights, AProducersRoleBindingLetsItEnqueueAndNoMore) {
  apply(
      {{{"apiVersion", "rbac.authorization.k8s.io/v1"},
        {"kind", "Role"},
        {"metadata", {{"name", "enqueue"}, {"namespace", ns()}}},
        {"rules",
         {{{"apiGroups", {"sluice.dev"}}, {"resources", {"queues/jobs"}}, {"verbs", {"create"}}}}}},
       {{"apiVersion", "rbac.authorization.k8s.io/v1"},
        {"kind", "RoleBinding"},
        {"metadata", {{"name", "enqueue"}, {"namespace", ns()}}},
        {"roleRef",
         {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Role"}, {"name", "enqueue"}}},
        {"subjects", {{{"kind", "ServiceAccount"}, {"name", "default"}}}}}});
  const std::string producer = token("default", "sluice");

  EXPECT_TRUE(
      becomes([&] { return post(producer, "mail", "", R"({"payload":1})").status == 202; }));
  EXPECT_EQ(post(producer, "mail", ":claim", kClaim).status, 403);
}

TEST_F(Rights, AWorkersTokenIsGoodForItsOwnQueueOnly) {
  const std::string worker = token("default", "sluice:" + ns() + "/mail");

  EXPECT_EQ(post(worker, "mail", ":claim", kClaim).status, 200);
  EXPECT_THAT(post(worker, "video", ":claim", kClaim).status, ::testing::AnyOf(401, 403));
  EXPECT_THAT(post(worker, "mail", "", R"({"payload":1})").status, ::testing::AnyOf(401, 403));
}

}  // namespace
}  // namespace sluice::testing
