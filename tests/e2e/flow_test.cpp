// The main job, as its users see it.
#include <gmock/gmock.h>

#include "tests/e2e/tenant.h"
#include "tests/support/environment.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

class Flow : public Tenant {};

constexpr const char* kEcho = R"(read payload; echo "{\"got\":$payload}")";

// SURVIVAL 17
TEST_F(Flow, AThousandJobsScaleWorkersUpAndDownAgain) {
  // Held back until the backlog is there, however slowly kubectl creates it.
  const Json work = queue("work", std::string("sleep 0.1; ") + kEcho);
  Json paused = work;
  paused["spec"]["pause"] = {{"dispatch", true}};
  apply({paused});
  apply_jobs("job", "work", 1'000);
  EXPECT_TRUE(pods().empty());
  apply({work});
  std::size_t most = 0;

  EXPECT_TRUE(becomes(
      [&] {
        most = std::max(most, ready_pods().size());
        return count_jobs("Succeeded") == 1'000;
      },
      180));

  EXPECT_EQ(most, 3u) << "maxReplicas";
  EXPECT_EQ(get("sj", "job-7")["status"]["result"], Json({{"got", {{"n", 7}}}}));
  EXPECT_TRUE(no_pods_left());
  expect_all_succeeded(1'000);
  const Json status = get("sq", "work")["status"];
  EXPECT_EQ(status["backlog"], 0);
  EXPECT_TRUE(becomes([&] { return get("sq", "work")["spec"]["replicas"] == 0; }));
}

TEST_F(Flow, KubectlGetFitsAndTellsTheTruth) {
  apply({queue("work", kEcho), job("one", "work")});
  ASSERT_TRUE(becomes([&] { return count_jobs("Succeeded") == 1; }));

  const Ran queues = kubectl({"get", "sq", "-n", ns()});
  const Ran jobs = kubectl({"get", "sj", "-n", ns()});

  EXPECT_THAT(queues.out, HasSubstr("work"));
  EXPECT_THAT(jobs.out, HasSubstr("Succeeded"));
  for (const std::string& text : {queues.out, jobs.out}) {
    EXPECT_LE(text.substr(0, text.find('\n')).size(), 100u) << text;
  }
  EXPECT_THAT(condition("sq", "work", "Ready"), HasSubstr("True/Configured"));
  EXPECT_THAT(condition("sq", "work", "TemplateValid"), HasSubstr("True/"));
  EXPECT_THAT(condition("sj", "one", "Complete"), HasSubstr("True/"));
  EXPECT_THAT(kubectl({"get", "events", "-n", ns()}).out, HasSubstr("Scaled"));
}

TEST_F(Flow, ABadManifestIsRefusedWithTheFieldsName) {
  Json bad = queue("work", "true");
  bad["spec"]["scaling"]["minReplicas"] = 20;
  const Ran ran = kubectl({"apply", "-f", "-"}, bad.dump());

  EXPECT_FALSE(ran.ok());
  EXPECT_THAT(ran.err, HasSubstr("minReplicas"));
  EXPECT_EQ(ran.err.find('\n'), ran.err.size() - 1) << "one line: " << ran.err;
}

TEST_F(Flow, DeadLettersAreVisible) {
  apply({queue("work", "echo broken >&2; exit 65"), job("hopeless", "work")});
  ASSERT_TRUE(becomes([&] { return count_jobs("Dead") == 1; }));

  EXPECT_THAT(condition("sj", "hopeless", "Failed"), HasSubstr("True/Dead"));
  EXPECT_THAT(get("sj", "hopeless")["status"].value("lastError", ""), HasSubstr("broken"));
  EXPECT_TRUE(becomes([&] { return get("sq", "work")["status"]["dead"] == 1; }));
  EXPECT_THAT(kubectl({"get", "events", "-n", ns()}).out, HasSubstr("Dead"));
}

TEST_F(Flow, ATemplateThatMakesNoPodsIsNamed) {
  Json broken = queue("broken", "true");
  container_of(broken).erase("securityContext");
  Json missing = queue("missing", "true");
  missing["spec"]["worker"].erase("template");
  apply({broken, missing, job("a", "broken"), job("b", "missing")});

  EXPECT_TRUE(becomes([&] {
    return condition("sq", "broken", "TemplateValid").starts_with("False/Refused");
  })) << condition("sq", "broken", "TemplateValid");
  EXPECT_THAT(condition("sq", "broken", "TemplateValid"), HasSubstr("restricted"));
  EXPECT_TRUE(becomes(
      [&] { return condition("sq", "missing", "TemplateValid").starts_with("False/Missing"); }));
  EXPECT_TRUE(pods().empty());
}

TEST_F(Flow, ScaleAndTriggerFromTheCommandLine) {
  Json schedule = {{"apiVersion", "sluice.dev/v1alpha1"},
                   {"kind", "Schedule"},
                   {"metadata", {{"name", "yearly"}, {"namespace", ns()}}},
                   {"spec",
                    {{"schedule", "0 0 1 1 *"},
                     {"jobTemplate", {{"spec", {{"queue", "work"}, {"payload", 1}}}}}}}};
  apply({queue("work", kEcho), schedule});
  const std::string sluice = program_path("sluice");
  const auto on_cluster = [&](std::vector<std::string> words) {
    words.insert(words.begin(), sluice);
    words.insert(words.end(), {"-n", ns(), "--context", "box"});
    return run(words);
  };
  ASSERT_TRUE(becomes([&] { return condition("sq", "work", "Ready").starts_with("True"); }));

  const Ran pinned = on_cluster({"scale", "work", "2"});
  EXPECT_TRUE(pinned.ok()) << pinned.err;
  EXPECT_TRUE(becomes([&] { return ready_pods().size() == 2; }));
  EXPECT_THAT(condition("sq", "work", "Scaling"), HasSubstr("kubectl-sluice"));

  const Ran fired = on_cluster({"trigger", "yearly"});
  EXPECT_TRUE(fired.ok()) << fired.err;
  EXPECT_TRUE(becomes(
      [&] { return !get("ss", "yearly")["status"].value("recent", Json::array()).empty(); }));

  const Ran freed = on_cluster({"scale", "work", "auto"});
  EXPECT_TRUE(freed.ok()) << freed.err;
  EXPECT_TRUE(no_pods_left());
}

TEST_F(Flow, DeletedQueuesAndJobsLeaveNothingBehind) {
  // SURVIVAL 12
  apply({queue("work", "sleep 60"), job("long", "work")});
  ASSERT_TRUE(becomes([&] { return count_jobs("Running") == 1; }));

  EXPECT_TRUE(kubectl({"delete", "sj", "long", "-n", ns(), "--timeout=10s"}).ok());
  EXPECT_TRUE(becomes([&] { return get("sq", "work")["status"]["running"] == 0; }));
  EXPECT_TRUE(kubectl({"delete", "sq", "work", "-n", ns(), "--timeout=10s"}).ok());
  EXPECT_TRUE(no_pods_left());
}

}  // namespace
}  // namespace sluice::testing
