#include "tests/e2e/release.h"

#include <gtest/gtest.h>

#include "tests/e2e/tenant.h"
#include "tests/support/environment.h"

namespace sluice::testing {
namespace {

const std::vector<std::string> kCrds = {"queues.sluice.dev", "jobs.sluice.dev",
                                        "schedules.sluice.dev"};

bool has_crds() {
  return kubectl({"get", "crd", kCrds.front()}).ok();
}

// Installs the chart for the whole program, and takes away what was not there before.
class Release : public ::testing::Environment {
 public:
  void SetUp() override {
    had_crds_ = has_crds();
    install_release();
    if (!HasFatalFailure()) return;
    std::printf("%s\n", kubectl({"get", "pods", "-A"}).out.c_str());
    std::printf("%s\n", kubectl({"describe", "pods", "-n", kReleaseNamespace}).out.c_str());
  }

  void TearDown() override {
    if (std::getenv("SLUICE_E2E_KEEP") != nullptr) return;
    uninstall_release();
    // With the claim on the broker's volume; the next run makes the namespace again.
    kubectl({"delete", "namespace", kReleaseNamespace, "--timeout=120s"});
    if (had_crds_) return;
    std::vector<std::string> words = {"delete", "crd"};
    words.insert(words.end(), kCrds.begin(), kCrds.end());
    kubectl(words);
  }

 private:
  static bool HasFatalFailure() { return ::testing::Test::HasFatalFailure(); }

  bool had_crds_ = false;
};

[[maybe_unused]] const auto* const kRelease =
    ::testing::AddGlobalTestEnvironment(new Release);  // gtest owns it

}  // namespace

void install_release(const std::vector<std::string>& more) {
  const std::string source = required_variable("SLUICE_SOURCE_DIR");
  std::vector<std::string> words = {"helm",
                                    "upgrade",
                                    "--install",
                                    "sluice",
                                    source + "/charts/sluice",
                                    "--namespace",
                                    kReleaseNamespace,
                                    "--create-namespace",
                                    "--values",
                                    source + "/tests/e2e/values/box.yaml",
                                    "--wait",
                                    "--timeout",
                                    "180s"};
  words.insert(words.end(), more.begin(), more.end());
  const Ran ran = run(words);
  ASSERT_TRUE(ran.ok()) << ran.out << ran.err;
  // Helm's --wait may look at objects from before its own change; this looks at the changed ones.
  for (const char* workload : {"statefulset/sluice-broker", "deployment/sluice-operator"}) {
    const Ran rolled =
        kubectl({"rollout", "status", workload, "-n", kReleaseNamespace, "--timeout=180s"});
    ASSERT_TRUE(rolled.ok()) << rolled.out << rolled.err;
  }
}

void uninstall_release() {
  const Ran ran = run({"helm", "uninstall", "sluice", "--namespace", kReleaseNamespace, "--wait"});
  EXPECT_TRUE(ran.ok()) << ran.err;
}

}  // namespace sluice::testing
