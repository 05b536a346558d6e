// Http handlers: the worker beside the user's server, in one pod.
#include "tests/e2e/tenant.h"

namespace sluice::testing {
namespace {

// Packed from examples/http-python.
constexpr const char* kServerImage = "localhost/word-count:dev";
// The example's server, a second slower.
constexpr const char* kSlowServer =
    "import json, runpy, time; parse = json.loads; "
    "json.loads = lambda text: (time.sleep(1), parse(text))[1]; runpy.run_path('/app/server.py')";

class HttpHandler : public Tenant {
 protected:
  Json server_queue(const std::string& name) const {
    Json made = queue(name, "");
    made["spec"]["worker"]["handler"] = {{"http", {{"port", 8080}}}};
    Json& server = container_of(made);
    server["image"] = kServerImage;
    server["env"] = {{{"name", "PORT"}, {"value", "8080"}}};
    server["resources"] = {{"requests", {{"cpu", "5m"}, {"memory", "32Mi"}}}};
    return made;
  }
  Json slow_queue(const std::string& name) const {
    Json made = server_queue(name);
    container_of(made)["command"] = {"/usr/bin/python3", "-c", kSlowServer};
    return made;
  }
  void apply_texts(int count) {
    std::vector<Json> all;
    for (int i = 0; i < count; ++i) {
      all.push_back(job("job-" + std::to_string(i), "work", {{"text", "three short words"}}));
    }
    apply(all);
  }
};

TEST_F(HttpHandler, JobsSucceedWithTheServersResultsAndThePodsGo) {
  apply({server_queue("work")});
  apply_texts(20);

  expect_all_succeeded(20);
  for (const Json& job : jobs()) {
    EXPECT_EQ(job["status"]["result"]["words"], 3);
    EXPECT_EQ(job["status"]["result"]["job"], job["metadata"]["uid"]);
  }
  EXPECT_TRUE(no_pods_left());
}

// SURVIVAL 10: the server goes only after its last answer.
TEST_F(HttpHandler, PodsDeletedByHandUnderLoad) {
  apply({slow_queue("work")});
  apply_texts(60);
  ASSERT_TRUE(becomes([&] { return ready_pods().size() >= 2 && count_jobs("Succeeded") > 0; }));

  for (const std::string& pod : ready_pods()) {
    EXPECT_TRUE(kubectl({"delete", "pod", pod, "-n", ns(), "--wait=false"}).ok());
  }
  expect_all_succeeded(60);
  EXPECT_TRUE(no_pods_left());
}

TEST_F(HttpHandler, PodsSpentByMaxJobsPerPodAreReplaced) {
  Json spent = server_queue("work");
  spent["spec"]["worker"]["maxJobsPerPod"] = 4;
  spent["spec"]["scaling"]["backlogPerWorker"] = 4;
  apply({spent});
  apply_texts(12);

  expect_all_succeeded(12);
  EXPECT_TRUE(no_pods_left());
}

}  // namespace
}  // namespace sluice::testing
