#include "tests/e2e/tenant.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

constexpr std::chrono::milliseconds kAskEvery{300};

// Another one each time: the last run's may not be gone yet.
std::string namespace_of_test() {
  static int count = 0;
  std::string name = "e2e-";
  for (const char c :
       std::string(::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name.substr(0, 45) + "-" + std::to_string(getpid()) + "-" + std::to_string(++count);
}

Json pod_template(const std::string& name_space) {
  return {{"metadata", {{"labels", {{"tenant", name_space}}}}},
          {"spec",
           {{"terminationGracePeriodSeconds", 20},
            {"automountServiceAccountToken", false},
            {"securityContext",
             {{"runAsNonRoot", true},
              {"runAsUser", 65532},
              {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
            {"containers",
             {{{"name", "handler"},
               {"image", kHandlerImage},
               {"imagePullPolicy", "IfNotPresent"},
               {"securityContext",
                {{"allowPrivilegeEscalation", false}, {"capabilities", {{"drop", {"ALL"}}}}}},
               {"resources", {{"requests", {{"cpu", "5m"}, {"memory", "16Mi"}}}}}}}}}}};
}

}  // namespace

bool becomes(const std::function<bool()>& fact, int seconds) {
  return eventually(fact, std::chrono::seconds{seconds}, kAskEvery);
}

std::string leader_pod() {
  const Json leases = kubectl_json({"get", "leases", "-n", kReleaseNamespace});
  for (const Json& lease : leases["items"]) {
    const std::string holder = lease["spec"].value("holderIdentity", "");
    if (holder.starts_with("sluice-operator")) return holder.substr(0, holder.find('_'));
  }
  return {};
}

void Tenant::SetUp() {
  namespace_ = namespace_of_test();
  apply({{{"apiVersion", "v1"},
          {"kind", "Namespace"},
          {"metadata",
           {{"name", namespace_},
            {"labels", {{"pod-security.kubernetes.io/enforce", "restricted"}}}}}}});
}

void Tenant::TearDown() {
  if (HasFailure()) {
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"get", "sq,sj,ss,pods", "-n", ns()},
             {"describe", "sq", "-n", ns()},
             {"get", "events", "-n", ns(), "--sort-by=.lastTimestamp"},
             {"logs", "-n", kReleaseNamespace, "-l", "app.kubernetes.io/component=operator",
              "--tail=40", "--prefix"},
             {"logs", "-n", kReleaseNamespace, "-l", "app.kubernetes.io/component=broker",
              "--tail=20"}}) {
      const Ran ran = kubectl(words);
      std::printf("%s%s\n", ran.out.c_str(), ran.err.c_str());
    }
  }
  kubectl({"delete", "sq,sj,ss", "--all", "-n", ns(), "--wait=false"});
  kubectl({"delete", "namespace", ns(), "--wait=false"});
}

Json Tenant::queue(const std::string& name, const std::string& script) const {
  return {{"apiVersion", "sluice.dev/v1alpha1"},
          {"kind", "Queue"},
          {"metadata", {{"name", name}, {"namespace", ns()}}},
          {"spec",
           {{"worker",
             {{"handler", {{"exec", {{"command", {"/bin/busybox", "sh", "-c", script}}}}}},
              {"concurrency", 4},
              {"template", pod_template(ns())}}},
            {"scaling",
             {{"maxReplicas", 3},
              {"backlogPerWorker", 10},
              {"idleSeconds", 2},
              {"scaleDown", {{"stabilizationSeconds", 2}}}}},
            {"leaseSeconds", 10},
            {"timeoutSeconds", 20}}}};
}

Json Tenant::job(const std::string& name, const std::string& queue, Json payload) const {
  return {{"apiVersion", "sluice.dev/v1alpha1"},
          {"kind", "Job"},
          {"metadata", {{"name", name}, {"namespace", ns()}}},
          {"spec", {{"queue", queue}, {"payload", std::move(payload)}}}};
}

void Tenant::apply_jobs(const std::string& prefix, const std::string& queue, int count) {
  std::vector<Json> all;
  for (int i = 0; i < count; ++i) {
    all.push_back(job(prefix + "-" + std::to_string(i), queue, {{"n", i}}));
  }
  const Json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", all}};
  const Ran ran = kubectl({"create", "-f", "-"}, list.dump());
  ASSERT_TRUE(ran.ok()) << ran.err;
}

void Tenant::start_load(int count, std::size_t pods_min) {
  apply({queue("work", "sleep 1; echo 1")});
  apply_jobs("job", "work", count);
  // The pods are remembered: on a slow machine they may be gone again when a first success is seen.
  std::size_t pods_seen = 0;
  ASSERT_TRUE(becomes([&] {
    pods_seen = std::max(pods_seen, ready_pods().size());
    return pods_seen >= pods_min && count_jobs("Succeeded") > 0;
  })) << pods_seen
      << " pods at most";
}

Json Tenant::get(const std::string& kind, const std::string& name) {
  return kubectl_json({"get", kind, name, "-n", ns()});
}

std::vector<Json> Tenant::jobs() {
  return kubectl_json({"get", "sj", "-n", ns()})["items"];
}

std::vector<Json> Tenant::pods() {
  return kubectl_json({"get", "pods", "-n", ns(), "-l", "sluice.dev/queue"})["items"];
}

std::vector<std::string> Tenant::ready_pods() {
  std::vector<std::string> names;
  for (const Json& pod : pods()) {
    for (const Json& condition : pod["status"].value("conditions", Json::array())) {
      const bool is_ready = condition["type"] == "Ready" && condition["status"] == "True";
      if (is_ready && !pod["metadata"].contains("deletionTimestamp")) {
        names.push_back(pod["metadata"]["name"]);
      }
    }
  }
  return names;
}

int Tenant::count_jobs(std::string_view state) {
  const auto all = jobs();
  return static_cast<int>(std::count_if(all.begin(), all.end(), [&](const Json& job) {
    return job.value("status", Json::object()).value("state", "") == state;
  }));
}

std::string Tenant::condition(const std::string& kind, const std::string& name,
                              const std::string& type) {
  const Json object = get(kind, name);
  const Json status = object.value("status", Json::object());
  for (const Json& one : status.value("conditions", Json::array())) {
    if (one["type"] != type) continue;
    return one.value("status", "") + "/" + one.value("reason", "") + ": " +
           one.value("message", "");
  }
  return {};
}

void Tenant::expect_all_succeeded(int count, bool leases_may_be_lost) {
  ASSERT_TRUE(becomes([&] { return count_jobs("Succeeded") == count; }, 180))
      << count_jobs("Succeeded") << " of " << count << " succeeded";
  for (const Json& job : jobs()) {
    EXPECT_EQ(job["status"].value("attempts", 0), 0) << job.dump(1);
    if (leases_may_be_lost) continue;
    EXPECT_EQ(job["status"].value("leaseLosses", 0), 0) << job.dump(1);
  }
}

bool Tenant::no_pods_left() {
  return becomes([&] { return pods().empty(); });
}

Json& Tenant::container_of(Json& queue) {
  return queue["spec"]["worker"]["template"]["spec"]["containers"][0];
}

}  // namespace sluice::testing
