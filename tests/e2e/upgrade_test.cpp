// A release that is tested, upgraded, taken away and installed again, and keys that change, all
// while jobs run.
#include <gmock/gmock.h>

#include "common/http/client.h"
#include "tests/e2e/release.h"
#include "tests/e2e/tenant.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

// The same worker under another tag: another injected version.
constexpr const char* kNextWorker = "localhost/sluice-worker:next";
constexpr const char* kOwnSecret = "own-tls";
constexpr int kJobs = 60;

// Empty when there is none. A dot in `key` is escaped.
std::string tls_secret(const std::string& key) {
  const Ran encoded = kubectl({"get", "secret", "sluice-tls", "-n", kReleaseNamespace, "-o",
                               "jsonpath={.data." + key + "}"});
  return encoded.ok() ? run({"base64", "-d"}, encoded.out).out : std::string{};
}

// The kubelet looks at a changed pod at once, and at its volumes then; left alone, in a minute.
void refresh_mounted_files() {
  static int count = 0;
  kubectl({"annotate", "pods", "--all", "-n", kReleaseNamespace, "--overwrite",
           "looked-at=" + std::to_string(++count)});
}

class Upgrade : public Tenant {
 protected:
  void TearDown() override {
    Tenant::TearDown();  // a failure is told as it was, not as it is after another roll-out
    if (is_changed_) restore_release();
    kubectl({"delete", "secret", kOwnSecret, "-n", kReleaseNamespace, "--ignore-not-found"});
  }

  void change_release(const std::vector<std::string>& arguments) {
    is_changed_ = true;
    install_release(arguments);
  }

  void restore_release() {
    install_release();
    is_changed_ = HasFatalFailure();
  }
  void take_release_away() {
    is_changed_ = true;
    uninstall_release();
  }

  // A client that trusts `ca` alone is answered.
  static bool broker_is_trusted_by(const std::string& ca) {
    const std::string address = kubectl_json(
        {"get", "service", "sluice-broker", "-n", kReleaseNamespace})["spec"]["clusterIP"];
    http::Client client(
        *http::parse_url("https://" + address + ":7070"),
        {.ca_pem = ca, .server_name = std::string("sluice-broker.") + kReleaseNamespace + ".svc"});
    const auto reply = client.send({.target = "/healthz"});
    return reply && reply->status == 200;
  }
  static bool becomes_trusted(const std::string& ca) {
    refresh_mounted_files();
    return becomes([&] { return broker_is_trusted_by(ca); });
  }

  // Its uid and how often its container was started again.
  static std::string broker_process() {
    const Json pod = kubectl_json({"get", "pod", "sluice-broker-0", "-n", kReleaseNamespace});
    return pod["metadata"]["uid"].get<std::string>() + "/" +
           pod["status"]["containerStatuses"][0]["restartCount"].dump();
  }

  // A certificate that is its own authority, and its key, as a Secret's data.
  static Json own_certificate() {
    const std::string name = std::string("sluice-broker.") + kReleaseNamespace + ".svc";
    const Ran made =
        run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2", "-subj", "/CN=sluice-broker", "-addext",
             "subjectAltName=DNS:" + name + ",DNS:" + name + ".cluster.local", "-keyout", "-"});
    EXPECT_TRUE(made.ok()) << made.err;
    const auto certificate = made.out.find("-----BEGIN CERTIFICATE");
    return {{"tls.key", made.out.substr(0, certificate)},
            {"tls.crt", made.out.substr(certificate)}};
  }
  static void apply_own_secret(Json data) {
    apply({{{"apiVersion", "v1"},
            {"kind", "Secret"},
            {"metadata", {{"name", kOwnSecret}, {"namespace", kReleaseNamespace}}},
            {"stringData", std::move(data)}}});
  }

  // Waits until every pod carries the worker of `image`.
  bool all_pods_get_worker_of(const std::string& image) {
    return becomes([&] {
      const auto all = pods();
      return !all.empty() && std::all_of(all.begin(), all.end(), [&](const Json& pod) {
        return pod["spec"]["initContainers"][0]["image"] == image;
      });
    });
  }

 private:
  bool is_changed_ = false;
};

TEST_F(Upgrade, HelmTestPasses) {
  const Ran ran = run({"helm", "test", "sluice", "-n", kReleaseNamespace});

  EXPECT_TRUE(ran.ok()) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Succeeded"));
}

// Workers of the older version go on and are replaced once they are idle.
TEST_F(Upgrade, UnderLoadLosesNothing) {
  start_load(kJobs);
  Json kept = queue("kept", "echo 1");
  kept["spec"]["scaling"]["minReplicas"] = 1;
  apply({kept});
  ASSERT_TRUE(becomes(
      [&] { return condition("sq", "kept", "Progressing").find("Rolled") != std::string::npos; }));

  change_release({"--set", "operator.replicas=1", "--set", "operator.logLevel=info", "--set",
                  "broker.podAnnotations.again=yes", "--set",
                  std::string("worker.image=") + kNextWorker});

  expect_all_succeeded(kJobs);
  EXPECT_TRUE(all_pods_get_worker_of(kNextWorker));
  apply({job("last", "kept")});
  expect_all_succeeded(kJobs + 1);
}

// SURVIVAL 12, 16
TEST_F(Upgrade, UninstallLeavesWhatUsersKeepAndInstallTakesItOver) {
  start_load(kJobs);

  take_release_away();
  EXPECT_EQ(get("sq", "work")["kind"], "Queue");
  EXPECT_EQ(jobs().size(), static_cast<std::size_t>(kJobs));
  EXPECT_TRUE(kubectl({"get", "pvc", "data-sluice-broker-0", "-n", kReleaseNamespace}).ok());
  EXPECT_TRUE(kubectl({"get", "secret", "sluice-tls", "-n", kReleaseNamespace}).ok());
  EXPECT_FALSE(kubectl({"get", "statefulset", "sluice-broker", "-n", kReleaseNamespace}).ok());

  restore_release();
  expect_all_succeeded(kJobs);
  EXPECT_TRUE(no_pods_left());
}

// SURVIVAL 15
TEST_F(Upgrade, ADeletedSecretIsMadeAgainAndReadWithoutARestart) {
  start_load(kJobs);
  const std::string before = tls_secret(R"(tls\.crt)");
  const std::string process = broker_process();

  EXPECT_TRUE(kubectl({"delete", "secret", "sluice-tls", "-n", kReleaseNamespace}).ok());
  std::string made;
  ASSERT_TRUE(becomes([&] {
    made = tls_secret(R"(tls\.crt)");
    return !made.empty() && made != before;
  }));

  EXPECT_TRUE(becomes_trusted(tls_secret(R"(ca\.crt)")));
  EXPECT_EQ(broker_process(), process);
  expect_all_succeeded(kJobs);
}

// SURVIVAL 15. As cert-manager does it, beside which the operator makes no keys.
TEST_F(Upgrade, ACertificateOfTheUsersIsSwappedWithoutARestart) {
  Json first = own_certificate();
  Json second = own_certificate();
  first["ca.crt"] = first["tls.crt"];
  apply_own_secret(first);
  change_release({"--set", std::string("tls.existingSecret=") + kOwnSecret});
  // kube-proxy may need a moment more to send to the new pod.
  ASSERT_TRUE(becomes([&] { return broker_is_trusted_by(first["tls.crt"]); }));
  start_load(kJobs, 1);
  const std::string process = broker_process();

  const std::string both =
      first["tls.crt"].get<std::string>() + second["tls.crt"].get<std::string>();
  second["ca.crt"] = both;
  apply_own_secret(second);

  EXPECT_TRUE(becomes_trusted(second["tls.crt"]));
  EXPECT_EQ(broker_process(), process);
  expect_all_succeeded(kJobs);
}

}  // namespace
}  // namespace sluice::testing
