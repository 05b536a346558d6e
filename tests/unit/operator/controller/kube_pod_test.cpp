#include "operator/controller/kube_pod.h"

#include <nlohmann/json.hpp>

namespace sluice::op {
namespace {

using nlohmann::json;

// A template whose pod satisfies the restricted profile.
json restricted_template() {
  return json::parse(R"({
    "metadata": {"labels": {"app": "audit"}, "annotations": {"team": "green"}},
    "spec": {
      "serviceAccountName": "auditor",
      "automountServiceAccountToken": false,
      "imagePullSecrets": [{"name": "registry"}],
      "nodeSelector": {"disk": "fast"},
      "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 1000,
                          "seccompProfile": {"type": "RuntimeDefault"}},
      "containers": [
        {"name": "audit", "image": "audit:1", "workingDir": "/work",
         "env": [{"name": "MODE", "value": "strict"}],
         "resources": {"requests": {"cpu": "1"}},
         "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
         "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}},
        {"name": "logs", "image": "logs:2"}],
      "volumes": [{"name": "scratch", "emptyDir": {}}]}})");
}

api::QueueSpec spec_with(const json& pod_template) {
  api::QueueSpec spec;
  spec.worker.emplace();
  spec.worker->handler = api::ExecHandler{.command = {"audit", "--all", "$(HOME) costs $5"}};
  spec.worker->template_json = pod_template.dump();
  return spec;
}

api::QueueSpec http_spec_with(const json& pod_template) {
  api::QueueSpec spec = spec_with(pod_template);
  spec.worker->handler = api::HttpHandler{.port = 8080, .path = "/jobs"};
  return spec;
}

Result<Object> build(const api::QueueSpec& spec, bool tls = true) {
  Object queue;
  queue.key = {ObjectKind::kQueue, "shop", "mail"};
  queue.uid = "u";
  const KubePodBuilder builder({.worker_image = "worker:1",
                                .broker_url = tls ? "https://broker:7070" : "http://broker:7070",
                                .tls = tls});
  return builder.build(queue, spec, {.name = "mail-abc-0", .template_hash = "h", .ordinal = 0});
}

json built_spec(const api::QueueSpec& spec) {
  const auto pod = build(spec);
  EXPECT_TRUE(pod) << pod.error().field << " " << pod.error().message;
  return pod ? json::parse(pod->spec_json) : json();
}

// The word after `option`; null when it is not there.
json option_of(const json& words, const std::string& option) {
  const auto at = std::find(words.begin(), words.end(), option);
  return at == words.end() || at + 1 == words.end() ? json() : *(at + 1);
}

TEST(KubePod, ExecRunsTheWorkerInTheFirstContainer) {
  json pod = built_spec(spec_with(restricted_template()));

  json& first = pod["containers"][0];
  const json want = json::parse(R"(["/sluice/bin/sluice-worker", "--broker", "https://broker:7070",
      "--token-file", "/var/run/secrets/sluice/token", "--ca-file", "/var/run/secrets/sluice/ca.crt",
      "--namespace", "shop", "--queue", "mail", "--name", "mail-abc-0", "--concurrency", "1",
      "--grace-seconds", "330", "--max-result-bytes", "65536", "--socket", "/sluice/worker.sock",
      "--", "audit", "--all", "$$(HOME) costs $$5"])");
  EXPECT_EQ(first["command"], want);
  EXPECT_FALSE(first.contains("args"));
  EXPECT_EQ(first["env"][1]["name"], "SLUICE_WORKER_INSTANCE");
  EXPECT_EQ(first["env"][1]["valueFrom"]["fieldRef"]["fieldPath"], "metadata.uid");
  EXPECT_EQ(first["startupProbe"]["exec"]["command"],
            json({"/sluice/bin/sluice-worker", "ready", "/sluice/worker.sock"}));
  EXPECT_FALSE(first.contains("lifecycle"));
  EXPECT_EQ(pod["initContainers"].size(), 1u);
  EXPECT_EQ(pod["initContainers"][0]["args"], json({"install", "/sluice/bin/sluice-worker"}));
  EXPECT_EQ(pod["restartPolicy"], "Always");
}

TEST(KubePod, WhatTheTemplateSaysStays) {
  const json user = restricted_template();

  const auto pod = build(spec_with(user));

  ASSERT_TRUE(pod);
  EXPECT_EQ(pod->labels.at("app"), "audit");
  EXPECT_EQ(pod->annotations.at("team"), "green");
  json spec = json::parse(pod->spec_json);
  for (const char* name : {"serviceAccountName", "automountServiceAccountToken", "imagePullSecrets",
                           "nodeSelector", "securityContext"}) {
    EXPECT_EQ(spec[name], user["spec"][name]) << name;
  }
  EXPECT_EQ(spec["containers"][1], user["spec"]["containers"][1]);
  json first = spec["containers"][0];
  for (const char* name : {"name", "image", "workingDir", "resources", "securityContext"}) {
    EXPECT_EQ(first[name], user["spec"]["containers"][0][name]) << name;
  }
  EXPECT_EQ(first["volumeMounts"][0], user["spec"]["containers"][0]["volumeMounts"][0]);
  EXPECT_EQ(first["env"][0], user["spec"]["containers"][0]["env"][0]);
  EXPECT_EQ(spec["volumes"][0], user["spec"]["volumes"][0]);
}

TEST(KubePod, CredentialsAreATokenForThisQueueAndTheAuthority) {
  json pod = built_spec(spec_with(restricted_template()));

  EXPECT_EQ(pod["volumes"][2],
            json::parse(R"({"name": "sluice-credentials", "projected": {"sources": [
      {"serviceAccountToken": {"audience": "sluice:shop/mail", "expirationSeconds": 3600, "path": "token"}},
      {"configMap": {"name": "sluice-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}})"));
  EXPECT_EQ(
      pod["containers"][0]["volumeMounts"][2],
      json::parse(
          R"({"name": "sluice-credentials", "mountPath": "/var/run/secrets/sluice", "readOnly": true})"));
}

TEST(KubePod, WithoutTlsNoAuthorityIsMounted) {
  const auto pod = build(spec_with(restricted_template()), /*tls=*/false);

  ASSERT_TRUE(pod);
  json spec = json::parse(pod->spec_json);
  EXPECT_EQ(spec["volumes"][2]["projected"]["sources"].size(), 1u);
  EXPECT_TRUE(option_of(spec["containers"][0]["command"], "--ca-file").is_null());
  EXPECT_EQ(option_of(spec["containers"][0]["command"], "--broker"), "http://broker:7070");
}

TEST(KubePod, HttpRunsTheWorkerBesideTheServerWhichGoesAfterItsLastJob) {
  json user = restricted_template();
  user["spec"]["containers"][0]["command"] = {"serve", "--port=8080"};
  user["spec"]["initContainers"] = {{{"name", "migrate"}, {"image", "m"}}};

  json pod = built_spec(http_spec_with(user));

  json& inits = pod["initContainers"];
  ASSERT_EQ(inits.size(), 3u);
  EXPECT_EQ(inits[0]["name"], "sluice-install");
  EXPECT_EQ(inits[1]["name"], "sluice-worker");
  EXPECT_EQ(inits[2]["name"], "migrate");
  EXPECT_EQ(inits[1]["restartPolicy"], "Always");
  EXPECT_EQ(option_of(inits[1]["args"], "--http-port"), "8080");
  EXPECT_EQ(option_of(inits[1]["args"], "--http-path"), "/jobs");
  EXPECT_EQ(inits[1]["env"][0]["name"], "SLUICE_WORKER_INSTANCE");
  json& server = pod["containers"][0];
  EXPECT_EQ(server["command"], user["spec"]["containers"][0]["command"]);
  EXPECT_EQ(server["env"], user["spec"]["containers"][0]["env"]);
  EXPECT_EQ(server["lifecycle"]["preStop"]["exec"]["command"],
            json({"/sluice/bin/sluice-worker", "pre-stop", "/sluice/worker.sock"}));
  // The server holds no credentials of the worker.
  ASSERT_EQ(server["volumeMounts"].size(), 2u);
  EXPECT_EQ(server["volumeMounts"][1]["mountPath"], "/sluice");
  EXPECT_EQ(server["volumeMounts"][1]["readOnly"], true);
}

TEST(KubePod, AServerThatWantsParentsResultsGetsThemAndTheWorkerRoomForThem) {
  api::QueueSpec spec = http_spec_with(restricted_template());
  json plain = built_spec(spec)["initContainers"][1];
  std::get<api::HttpHandler>(spec.worker->handler).body = api::HttpBody::kPayloadAndParents;
  json worker = built_spec(spec)["initContainers"][1];

  EXPECT_TRUE(option_of(plain["args"], "--http-body").is_null());
  EXPECT_EQ(option_of(worker["args"], "--http-body"), "payload-and-parents");
  EXPECT_NE(worker["resources"]["limits"]["memory"], plain["resources"]["limits"]["memory"]);
}

TEST(KubePod, InjectedContainersAreRestrictedAndBounded) {
  json pod = built_spec(http_spec_with(restricted_template()));

  for (json& ours : pod["initContainers"]) {
    SCOPED_TRACE(ours["name"]);
    json& context = ours["securityContext"];
    EXPECT_EQ(context["allowPrivilegeEscalation"], false);
    EXPECT_EQ(context["capabilities"]["drop"], json::array({"ALL"}));
    EXPECT_EQ(context["runAsNonRoot"], true);
    EXPECT_EQ(context["readOnlyRootFilesystem"], true);
    EXPECT_EQ(context["seccompProfile"]["type"], "RuntimeDefault");
    EXPECT_FALSE(context.contains("runAsUser"));  // the pod's, or the image's
    for (const char* kind : {"requests", "limits"}) {
      EXPECT_TRUE(ours["resources"][kind].contains("cpu"));
      EXPECT_TRUE(ours["resources"][kind].contains("memory"));
    }
  }
}

TEST(KubePod, InjectedContainersAreNotRootWhereThePodIs) {
  json user = restricted_template();
  user["spec"]["securityContext"] = {{"runAsUser", 0}};

  json pod = built_spec(spec_with(user));

  EXPECT_EQ(pod["initContainers"][0]["securityContext"]["runAsUser"], 65532);
  EXPECT_EQ(pod["securityContext"], user["spec"]["securityContext"]);
}

TEST(KubePod, OwnProbesTakeThePlaceOfOurs) {
  for (const char* probe : {"startupProbe", "readinessProbe"}) {
    SCOPED_TRACE(probe);
    json user = restricted_template();
    user["spec"]["containers"][0][probe] = {{"exec", {{"command", json::array({"ok"})}}}};

    json pod = built_spec(spec_with(user));

    EXPECT_EQ(pod["containers"][0][probe], user["spec"]["containers"][0][probe]);
    EXPECT_NE(pod["containers"][0].contains("startupProbe"),
              pod["containers"][0].contains("readinessProbe"));
  }
}

TEST(KubePod, TheGraceIsTheTemplatesOrTheTimeoutsAndIsToldToTheWorker) {
  struct Case {
    const char* name;
    json in_template;
    int timeout_seconds;
    int pod_seconds;
    const char* worker_seconds;
  };
  const Case cases[] = {{"from the timeout", nullptr, 300, 330, "330"},
                        {"at most an hour", nullptr, 7200, 3600, "3600"},
                        {"the template's own", 20, 300, 20, "20"},
                        {"the template's own, longer than an hour", 9000, 300, 9000, "9000"},
                        {"none", 0, 300, 0, "1"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    json user = restricted_template();
    if (!c.in_template.is_null()) {
      user["spec"]["terminationGracePeriodSeconds"] = c.in_template;
    }
    api::QueueSpec spec = spec_with(user);
    spec.timeout_seconds = c.timeout_seconds;

    json pod = built_spec(spec);

    EXPECT_EQ(pod["terminationGracePeriodSeconds"], c.pod_seconds);
    EXPECT_EQ(option_of(pod["containers"][0]["command"], "--grace-seconds"), c.worker_seconds);
  }
}

TEST(KubePod, APodOfSoManyJobsEndsByItself) {
  api::QueueSpec spec = spec_with(restricted_template());
  spec.worker->max_jobs_per_pod = 3;

  json pod = built_spec(spec);

  EXPECT_EQ(pod["restartPolicy"], "Never");
  EXPECT_EQ(option_of(pod["containers"][0]["command"], "--max-jobs"), "3");
}

TEST(KubePod, AServersPodIsStartedAgainAlsoWithMaxJobs) {
  api::QueueSpec spec = http_spec_with(restricted_template());
  spec.worker->max_jobs_per_pod = 3;

  EXPECT_EQ(built_spec(spec)["restartPolicy"], "Always");
}

TEST(KubePod, TheVolumeIsMarkedSafeToEvictBesideTheUsersOwn) {
  struct Case {
    json given;
    const char* want;
  };
  const Case cases[] = {{nullptr, "sluice"},
                        {"scratch", "scratch,sluice"},
                        {"a,sluice,b", "a,sluice,b"},
                        {"sluice-2", "sluice-2,sluice"}};
  const std::string name = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
  for (const Case& c : cases) {
    SCOPED_TRACE(c.want);
    json user = restricted_template();
    if (!c.given.is_null()) user["metadata"]["annotations"][name] = c.given;

    const auto pod = build(spec_with(user));

    ASSERT_TRUE(pod);
    EXPECT_EQ(pod->annotations.at(name), c.want);
  }
}

TEST(KubePod, RefusesATemplateThatContradictsTheInjectionAndNamesTheField) {
  struct Case {
    const char* name;
    const char* patch;  // a merge patch of the template's spec
    bool is_http;
    const char* field;
  };
  const Case cases[] = {
      {"no containers", R"({"containers": null})", false, ".spec.containers"},
      {"empty containers", R"({"containers": []})", false, ".spec.containers"},
      {"containers are no list", R"({"containers": "x"})", false, ".spec.containers"},
      {"a container is no mapping", R"({"containers": [1]})", false, ".spec.containers[0]"},
      {"command", R"({"containers": [{"name": "a", "command": ["x"]}]})", false,
       ".spec.containers[0].command"},
      {"args", R"({"containers": [{"name": "a", "args": []}]})", false, ".spec.containers[0].args"},
      {"pre-stop hook", R"({"containers": [{"name": "a", "lifecycle": {"preStop": {}}}]})", true,
       ".spec.containers[0].lifecycle.preStop"},
      {"our volume", R"({"volumes": [{"name": "v"}, {"name": "sluice"}]})", false,
       ".spec.volumes[1].name"},
      {"our other volume", R"({"volumes": [{"name": "sluice-credentials"}]})", true,
       ".spec.volumes[0].name"},
      {"our init container", R"({"initContainers": [{"name": "sluice-install"}]})", false,
       ".spec.initContainers[0].name"},
      {"our sidecar", R"({"containers": [{"name": "sluice-worker"}]})", true,
       ".spec.containers[0].name"},
      {"our folder",
       R"({"containers": [{"name": "a", "volumeMounts": [{"mountPath": "/sluice/"}]}]})", false,
       ".spec.containers[0].volumeMounts[0].mountPath"},
      {"inside our folder",
       R"({"containers": [{"name": "a", "volumeMounts": [{"mountPath": "/var/run/secrets/sluice/x"}]}]})",
       true, ".spec.containers[0].volumeMounts[0].mountPath"},
      {"our variable",
       R"({"containers": [{"name": "a", "env": [{"name": "SLUICE_WORKER_INSTANCE"}]}]})", false,
       ".spec.containers[0].env[0].name"},
      {"restart policy", R"({"restartPolicy": "OnFailure"})", false, ".spec.restartPolicy"},
      {"grace", R"({"terminationGracePeriodSeconds": "9"})", false,
       ".spec.terminationGracePeriodSeconds"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    json user = restricted_template();
    user["spec"].merge_patch(json::parse(c.patch));

    const auto pod = build(c.is_http ? http_spec_with(user) : spec_with(user));

    ASSERT_FALSE(pod);
    EXPECT_EQ(pod.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(pod.error().field, std::string("spec.worker.template") + c.field);
    EXPECT_FALSE(pod.error().message.empty());
  }
}

TEST(KubePod, ATemplateIsRequired) {
  api::QueueSpec spec = spec_with(json::object());
  spec.worker->template_json.reset();

  const auto pod = build(spec);

  ASSERT_FALSE(pod);
  EXPECT_EQ(pod.error().field, "spec.worker.template");
}

TEST(KubePod, AFolderThatOnlyBeginsLikeOursIsTheUsers) {
  json user = restricted_template();
  user["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] = "/sluice-data";

  EXPECT_TRUE(build(spec_with(user)));
}

TEST(KubePod, TheSameArgumentsMakeTheSamePod) {
  const auto first = build(http_spec_with(restricted_template()));
  const auto second = build(http_spec_with(restricted_template()));

  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->spec_json, second->spec_json);
}

}  // namespace
}  // namespace sluice::op
