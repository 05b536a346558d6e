// Exec handlers that go wrong, pods made for each job, and status that people change by hand.
#include <gmock/gmock.h>

#include "tests/e2e/tenant.h"

namespace sluice::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class ExecHandler : public Tenant {
 protected:
  void patch_status(const std::string& kind, const std::string& name, const Json& status) {
    const Ran ran = kubectl({"patch", kind, name, "-n", ns(), "--subresource=status",
                             "--type=merge", "-p", Json{{"status", status}}.dump()});
    EXPECT_TRUE(ran.ok()) << ran.err;
  }
};

TEST_F(ExecHandler, AFreshPodForEveryJob) {
  // What a job leaves behind in its pod would be seen by the next one there.
  Json fresh = queue("work", "[ ! -e /pod/used ] || exit 65; : > /pod/used; echo 1");
  fresh["spec"]["worker"]["maxJobsPerPod"] = 1;
  fresh["spec"]["scaling"]["backlogPerWorker"] = 1;
  fresh["spec"]["worker"]["template"]["spec"]["volumes"] = {
      {{"name", "pod"}, {"emptyDir", Json::object()}}};
  container_of(fresh)["volumeMounts"] = {{{"name", "pod"}, {"mountPath", "/pod"}}};
  apply({fresh});
  apply_jobs("job", "work", 6);

  expect_all_succeeded(6);
  EXPECT_TRUE(no_pods_left());
}

// SURVIVAL 10, 23
TEST_F(ExecHandler, OneThatTakesTooMuchMemoryIsNamed) {
  Json greedy = queue("work", "/bin/busybox tail /dev/zero");
  greedy["spec"]["retry"] = {{"maxAttempts", 2}, {"maxLeaseLosses", 2}};
  container_of(greedy)["resources"]["limits"]["memory"] = "64Mi";
  apply({greedy, job("hungry", "work")});

  ASSERT_TRUE(becomes([&] { return count_jobs("Dead") == 1; }));
  // With cgroup v1 the kernel does not say why it sent the signal.
  EXPECT_THAT(get("sj", "hungry")["status"].value("lastError", ""),
              AnyOf(HasSubstr("OOMKilled"), HasSubstr("SIGKILL")));
}

TEST_F(ExecHandler, AProgramThatIsNotThereIsACondition) {
  Json missing = queue("work", "");
  missing["spec"]["worker"]["handler"]["exec"]["command"] = {"/app/no-such-program"};
  apply({missing, job("waiting", "work")});

  EXPECT_TRUE(becomes([&] {
    return condition("sq", "work", "Progressing").find("CrashLoopBackOff") != std::string::npos;
  })) << condition("sq", "work", "Progressing");
  const std::string pod = pods().at(0)["metadata"]["name"];
  EXPECT_THAT(kubectl({"logs", pod, "-n", ns(), "-c", "handler"}).out +
                  kubectl({"logs", pod, "-n", ns(), "-c", "handler", "--previous"}).out,
              HasSubstr("/app/no-such-program"));

  apply({queue("work", "echo 1")});
  expect_all_succeeded(1);
}

// SURVIVAL 13
TEST_F(ExecHandler, StatusAndLabelsChangedByHandBreakNothing) {
  Json paused = queue("work", "echo 1");
  paused["spec"]["pause"] = {{"dispatch", true}};
  apply({paused, job("early", "work"), job("late", "work")});
  ASSERT_TRUE(becomes([&] { return count_jobs("Ready") == 2; }));

  const Json untrue = {{{"type", "Complete"},
                        {"status", "True"},
                        {"reason", "ByHand"},
                        {"message", ""},
                        {"lastTransitionTime", "2020-01-01T00:00:00Z"}}};
  patch_status("sj", "early", {{"conditions", untrue}});
  patch_status("sj", "late", {{"state", nullptr}, {"conditions", nullptr}, {"jobId", nullptr}});
  patch_status("sq", "work", {{"backlog", 99}, {"running", 99}, {"conditions", untrue}});
  for (const char* kind : {"sq", "sj"}) {
    EXPECT_TRUE(kubectl({"label", kind, "--all", "-n", ns(), "who=me"}).ok());
    EXPECT_TRUE(kubectl({"annotate", kind, "--all", "-n", ns(), "sluice.dev/nobody=knows"}).ok());
  }
  apply({queue("work", "echo 1")});

  expect_all_succeeded(2);
  EXPECT_TRUE(becomes([&] {
    const Json status = get("sq", "work")["status"];
    return status["backlog"] == 0 && status["running"] == 0;
  }));
  EXPECT_THAT(condition("sq", "work", "Ready"), HasSubstr("True/Configured"));
  EXPECT_THAT(condition("sj", "early", "Complete"), HasSubstr("True/Succeeded"));
  EXPECT_EQ(get("sj", "late")["status"]["result"], 1);
  EXPECT_TRUE(no_pods_left());
}

}  // namespace
}  // namespace sluice::testing
