#include "operator/controller/local_pod.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::op {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

LocalPod pod_with_env(const std::string& env_json) {
  api::QueueSpec spec;
  spec.worker.emplace();
  spec.worker->handler = api::ExecHandler{{"./handler"}};
  spec.worker->template_json =
      R"({"spec":{"containers":[{"name":"main","env":)" + env_json + "}]}}";
  Object queue;
  queue.key = {ObjectKind::kQueue, "default", "mail"};
  const auto pod = LocalPodBuilder("http://127.0.0.1:7070").build(queue, spec, {"mail-0", "h", 0});
  EXPECT_TRUE(pod);
  return *decode_local_pod(pod->spec_json);
}

TEST(LocalPod, AServerIsPostedWhatItsQueueSays) {
  api::QueueSpec spec;
  spec.worker.emplace();
  api::HttpHandler http{.port = 8080, .path = "/x"};
  const LocalPodBuilder builder("http://127.0.0.1:7070");

  spec.worker->handler = http;
  const auto plain = builder.build({}, spec, {"mail-0", "h", 0});
  http.body = api::HttpBody::kPayloadAndParents;
  spec.worker->handler = http;
  Object queue;
  queue.key = {ObjectKind::kQueue, "default", "mail"};
  const auto pod = builder.build(queue, spec, {"mail-0", "h", 0});

  EXPECT_EQ(plain->spec_json.find("httpBody"), std::string::npos);
  EXPECT_EQ(decode_local_pod(pod->spec_json)->http_body, "payload-and-parents");
}

// The kubelet's rules.
TEST(LocalPod, ReferencesInItsEnvironmentAreExpanded) {
  const LocalPod pod = pod_with_env(R"json([
    {"name":"HOST","value":"db"},
    {"name":"URL","value":"http://$(HOST):$(PORT)/"},
    {"name":"PORT","value":"80"},
    {"name":"TWICE","value":"$(URL)$(HOST)"},
    {"name":"ESCAPED","value":"$$(HOST) $$$(HOST) 5$"},
    {"name":"OPEN","value":"$(HOST $HOST"},
    {"name":"HOST","value":"$(HOST)2"},
    {"name":"LAST","value":"$(HOST)"}])json");

  EXPECT_THAT(pod.env,
              ElementsAre(Pair("HOST", "db"), Pair("URL", "http://db:$(PORT)/"), Pair("PORT", "80"),
                          Pair("TWICE", "http://db:$(PORT)/db"), Pair("ESCAPED", "$(HOST) $db 5$"),
                          Pair("OPEN", "$(HOST $HOST"), Pair("HOST", "db2"), Pair("LAST", "db2")));
}

TEST(LocalPod, AValueOnlyAClusterKnowsIsNotExpanded) {
  const LocalPod pod = pod_with_env(R"json([
    {"name":"TOKEN","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}},
    {"name":"HEADER","value":"Bearer $(TOKEN)"}])json");

  EXPECT_THAT(pod.env, ElementsAre(Pair("HEADER", "Bearer $(TOKEN)")));
  EXPECT_THAT(pod.skipped_env, ElementsAre("TOKEN"));
}

}  // namespace
}  // namespace sluice::op
