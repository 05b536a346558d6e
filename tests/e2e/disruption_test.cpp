// What a cluster does to pods, under load: no job is lost, none is run for nothing, and none pays
// for it with an attempt.
#include <gmock/gmock.h>

#include "tests/e2e/tenant.h"
#include "tests/support/environment.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

class Disruption : public Tenant {
 protected:
  // On three pods of four slots: about five seconds of work.
  static constexpr int kJobs = 60;
};

// SURVIVAL 10, 23
TEST_F(Disruption, PodsDeletedByHand) {
  start_load(kJobs);
  for (const std::string& pod : ready_pods()) {
    EXPECT_TRUE(kubectl({"delete", "pod", pod, "-n", ns(), "--wait=false"}).ok());
  }
  expect_all_succeeded(kJobs);
}

TEST_F(Disruption, PodsForceDeleted) {
  start_load(kJobs);
  for (const std::string& pod : ready_pods()) {
    EXPECT_TRUE(kubectl({"delete", "pod", pod, "-n", ns(), "--grace-period=0", "--force"}).ok());
  }
  // Nobody is left to say that a job was interrupted: its lease has to end.
  expect_all_succeeded(kJobs, true);
}

TEST_F(Disruption, PodsEvicted) {
  start_load(kJobs);
  for (const std::string& pod : ready_pods()) {
    const Json eviction = {{"apiVersion", "policy/v1"},
                           {"kind", "Eviction"},
                           {"metadata", {{"name", pod}, {"namespace", ns()}}}};
    const Ran ran = kubectl(
        {"create", "--raw", "/api/v1/namespaces/" + ns() + "/pods/" + pod + "/eviction", "-f", "-"},
        eviction.dump());
    EXPECT_TRUE(ran.ok()) << ran.err;
  }
  expect_all_succeeded(kJobs);
}

// SURVIVAL 16, 20
TEST_F(Disruption, TheBrokerKilled) {
  start_load(kJobs);
  EXPECT_TRUE(kubectl({"delete", "pod", "sluice-broker-0", "-n", kReleaseNamespace,
                       "--grace-period=0", "--force"})
                  .ok());
  expect_all_succeeded(kJobs);
  EXPECT_TRUE(no_pods_left());
}

// SURVIVAL 8
TEST_F(Disruption, TheLeaderKilled) {
  start_load(kJobs);
  const std::string leader = leader_pod();
  ASSERT_FALSE(leader.empty());
  EXPECT_TRUE(
      kubectl({"delete", "pod", leader, "-n", kReleaseNamespace, "--grace-period=0", "--force"})
          .ok());
  expect_all_succeeded(kJobs);
  EXPECT_TRUE(becomes([&] { return !leader_pod().empty() && leader_pod() != leader; }));
  EXPECT_TRUE(no_pods_left());
}

TEST_F(Disruption, ATemplateRolledUnderLoad) {
  start_load(kJobs);
  Json changed = queue("work", "sleep 1; echo 1");
  container_of(changed)["env"] = {{{"name", "COLOUR"}, {"value", "blue"}}};
  apply({changed});
  expect_all_succeeded(kJobs);
  EXPECT_TRUE(no_pods_left());
}

TEST_F(Disruption, AnImageThatCannotBePulledStopsARollOut) {
  start_load(kJobs);
  Json changed = queue("work", "sleep 1; echo 1");
  container_of(changed)["image"] = "localhost/no-such-image:1";
  changed["spec"]["scaling"]["minReplicas"] = 1;  // the roll-out goes on when the work is done
  apply({changed});

  expect_all_succeeded(kJobs);
  apply_jobs("more", "work", 1);
  EXPECT_TRUE(becomes([&] {
    return condition("sq", "work", "Progressing").starts_with("False/Stalled");
  })) << condition("sq", "work", "Progressing");
  EXPECT_THAT(condition("sq", "work", "Progressing"), HasSubstr("no-such-image"));

  apply({queue("work", "sleep 1; echo 1")});
  expect_all_succeeded(kJobs + 1);
}

// SURVIVAL 18
TEST_F(Disruption, PodsThatFitNoNodeStayOrderedOnce) {
  Json greedy = queue("work", "echo 1");
  container_of(greedy)["resources"]["requests"]["cpu"] = "1000";
  apply({greedy});
  apply_jobs("job", "work", 40);
  ASSERT_TRUE(becomes([&] { return pods().size() == 3; }));
  EXPECT_TRUE(becomes([&] {
    return condition("sq", "work", "Progressing").find("Unschedulable") != std::string::npos;
  })) << condition("sq", "work", "Progressing");
  EXPECT_EQ(pods().size(), 3u) << "no more than maxReplicas are ordered";

  apply({queue("work", "echo 1")});
  expect_all_succeeded(40);
  EXPECT_TRUE(no_pods_left());
}

// SURVIVAL 11
TEST_F(Disruption, AFullQuotaIsAConditionAndNoStorm) {
  apply({{{"apiVersion", "v1"},
          {"kind", "ResourceQuota"},
          {"metadata", {{"name", "small"}, {"namespace", ns()}}},
          {"spec", {{"hard", {{"pods", "1"}}}}}}});
  apply({queue("work", "sleep 0.1; echo 1")});
  apply_jobs("job", "work", 40);
  EXPECT_TRUE(becomes([&] {
    return condition("sq", "work", "Progressing").find("quota") != std::string::npos;
  })) << condition("sq", "work", "Progressing");
  expect_all_succeeded(40);
  EXPECT_TRUE(no_pods_left());
}

TEST_F(Disruption, ScalingInEndsNoRunningJob) {
  // Long jobs on some pods while others fall idle: the busy ones stay.
  apply({queue("work", "read payload; sleep $(echo $payload | /bin/busybox tr -dc 0-9); echo 1")});
  std::vector<Json> all;
  for (int i = 0; i < 24; ++i) {
    all.push_back(job("job-" + std::to_string(i), "work", {{"seconds", i % 4 == 0 ? 12 : 0}}));
  }
  apply(all);
  expect_all_succeeded(24);
  // A job that a deleted pod handed back has paid no attempt for it: its release alone tells.
  const Json whose = {{"name", "reads-jobs"}, {"namespace", ns()}};
  apply({{{"apiVersion", "rbac.authorization.k8s.io/v1"},
          {"kind", "Role"},
          {"metadata", whose},
          {"rules",
           {{{"apiGroups", {"sluice.dev"}}, {"resources", {"queues/jobs"}}, {"verbs", {"list"}}}}}},
         {{"apiVersion", "rbac.authorization.k8s.io/v1"},
          {"kind", "RoleBinding"},
          {"metadata", whose},
          {"roleRef",
           {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Role"}, {"name", "reads-jobs"}}},
          {"subjects", {{{"kind", "ServiceAccount"}, {"name", "default"}}}}}});
  Ran listed;
  ASSERT_TRUE(becomes([&] {
    listed = run({program_path("sluice"), "get", "jobs", "work", "--state", "Succeeded", "-o",
                  "json", "-n", ns(), "--context", "box", "--service-account", "default"});
    return listed.ok();
  })) << listed.err;
  const Json list = Json::parse(listed.out);
  EXPECT_EQ(list["jobs"].size(), 24u);
  for (const Json& one : list["jobs"]) EXPECT_EQ(one["releases"], 0) << one.dump();
  EXPECT_TRUE(no_pods_left());
}

}  // namespace
}  // namespace sluice::testing
