#include "operator/kube/object_codec.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "operator/controller/pod_status.h"

namespace sluice::kube {
namespace {

using nlohmann::json;
using op::Object;
using op::ObjectKind;

constexpr const char* kQueue = R"({
  "apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
  "metadata": {
    "namespace": "ns", "name": "a", "uid": "u-1", "resourceVersion": "42", "generation": 3,
    "creationTimestamp": "2026-11-22T16:00:00Z", "deletionTimestamp": "2026-11-22T17:00:00Z",
    "labels": {"x": "y"},
    "annotations": {"sluice.dev/trigger": "t",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    "managedFields": [
      {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:timeoutSeconds": {}}}},
      {"manager": "sluice-operator", "operation": "Apply",
       "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
  "spec": {"timeoutSeconds": 5, "replicas": 2},
  "status": {"ready": 1}})";

TEST(ObjectCodec, QueueKeepsWhatIsUsed) {
  const auto queue = decode_object(ObjectKind::kQueue, kQueue);

  ASSERT_TRUE(queue);
  EXPECT_EQ(queue->key, (op::ObjectKey{ObjectKind::kQueue, "ns", "a"}));
  EXPECT_EQ(queue->uid, "u-1");
  EXPECT_EQ(queue->resource_version, "42");
  EXPECT_EQ(queue->generation, 3);
  EXPECT_EQ(queue->created_at, *parse_rfc3339("2026-11-22T16:00:00Z"));
  EXPECT_EQ(queue->deletion_time, parse_rfc3339("2026-11-22T17:00:00Z"));
  EXPECT_EQ(queue->labels, (std::map<std::string, std::string>{{"x", "y"}}));
  EXPECT_EQ(queue->annotations, (std::map<std::string, std::string>{{"sluice.dev/trigger", "t"}}));
  EXPECT_EQ(queue->replicas_manager, "sluice-operator");
  EXPECT_EQ(queue->spec_json, R"({"replicas":2,"timeoutSeconds":5})");
  EXPECT_EQ(queue->status_json, R"({"ready":1})");
}

TEST(ObjectCodec, ReplicasBelongToTheOtherManagerWhenShared) {
  struct Case {
    const char* name;
    const char* managers;
    const char* want;
  };
  const Case cases[] = {
      {"nobody's", R"([{"manager":"kubectl","fieldsV1":{"f:spec":{}}}])", ""},
      {"ours", R"([{"manager":"sluice-operator","fieldsV1":{"f:spec":{"f:replicas":{}}}}])",
       "sluice-operator"},
      {"of kubectl scale",
       R"([{"manager":"kubectl","subresource":"scale","fieldsV1":{"f:spec":{"f:replicas":{}}}}])",
       "kubectl"},
      {"shared, ours first",
       R"([{"manager":"sluice-operator","fieldsV1":{"f:spec":{"f:replicas":{}}}},
           {"manager":"hpa","fieldsV1":{"f:spec":{"f:replicas":{}}}}])",
       "hpa"},
      {"shared, ours last",
       R"([{"manager":"hpa","fieldsV1":{"f:spec":{"f:replicas":{}}}},
           {"manager":"sluice-operator","fieldsV1":{"f:spec":{"f:replicas":{}}}}])",
       "hpa"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto queue = decode_object(
        ObjectKind::kQueue,
        std::string(R"({"metadata":{"name":"a","managedFields":)") + c.managers + "}}");
    ASSERT_TRUE(queue);
    EXPECT_EQ(queue->replicas_manager, c.want);
  }
}

TEST(ObjectCodec, PayloadMembersOfAnyNameSurvive) {
  const auto job = decode_object(
      ObjectKind::kJob,
      R"({"metadata":{"name":"a","managedFields":[{"manager":"x"}]},"spec":{"payload":{
          "metadata":{"managedFields":[1],"annotations":{"k":"v"}},"spec":{"containers":[{"x":1}]},
          "kubectl.kubernetes.io/last-applied-configuration":2,"big":12345678901234567890}}})");

  ASSERT_TRUE(job);
  EXPECT_EQ(json::parse(job->spec_json),
            json::parse(R"({"payload":{"metadata":{"managedFields":[1],"annotations":{"k":"v"}},
                "spec":{"containers":[{"x":1}]},"big":12345678901234567890,
                "kubectl.kubernetes.io/last-applied-configuration":2}})"));
}

constexpr const char* kPod = R"({
  "metadata": {"namespace": "ns", "name": "a-0", "uid": "u-2", "resourceVersion": "7",
    "labels": {"sluice.dev/queue": "a"}, "annotations": {"x": "y"},
    "ownerReferences": [{"kind": "Other", "uid": "u-9", "name": "other"},
                        {"kind": "Queue", "uid": "u-1", "name": "a", "controller": true}]},
  "spec": {"nodeName": "n", "initContainers": [{"name": "install"}],
           "containers": [{"name": "main", "image": "i"}, {"name": "aside"}]},
  "status": {
    "phase": "Running", "podIP": "10.0.0.1", "startTime": "2026-11-22T16:00:00Z",
    "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
                   {"type": "PodScheduled", "status": "True"},
                   {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}],
    "initContainerStatuses": [
      {"name": "install", "state": {"terminated": {"exitCode": 0}}}],
    "containerStatuses": [
      {"name": "aside", "ready": true, "restartCount": 0, "state": {"running": {}}},
      {"name": "main", "ready": false, "restartCount": 4, "imageID": "long",
       "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
       "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": "t"}}}]}})";

TEST(ObjectCodec, PodKeepsItsOwnerAndTheFewFactsThatAreRead) {
  const auto pod = decode_object(ObjectKind::kPod, kPod);

  ASSERT_TRUE(pod);
  EXPECT_EQ(pod->owner_uid, "u-1");
  EXPECT_EQ(pod->owner_name, "a");
  EXPECT_EQ(pod->labels.at("sluice.dev/queue"), "a");
  EXPECT_TRUE(pod->annotations.empty());
  EXPECT_EQ(pod->spec_json, "{}");
  EXPECT_EQ(json::parse(pod->status_json), json::parse(R"({
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
                   {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}],
    "containerStatuses": [
      {"name": "main", "ready": false, "restartCount": 4,
       "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
       "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
      {"name": "aside", "ready": true, "restartCount": 0, "state": {}}]})"));
}

TEST(ObjectCodec, PodIsJudgedByTheSpecsFirstContainer) {
  const auto status = op::decode_pod_status(decode_object(ObjectKind::kPod, kPod)->status_json);

  EXPECT_EQ(status.restarts, 4);
  EXPECT_EQ(status.waiting_reason, "CrashLoopBackOff");
  EXPECT_EQ(status.waiting_message, "back-off 40s");
  EXPECT_FALSE(status.ready);
}

// SURVIVAL 10.
TEST(ObjectCodec, UnschedulablePodSaysWhy) {
  const auto pod =
      decode_object(ObjectKind::kPod,
                    R"({"metadata":{"name":"a-0"},"status":{"phase":"Pending","conditions":[
          {"type":"PodScheduled","status":"False","reason":"Unschedulable",
           "message":"0/1 nodes are available","lastProbeTime":null}]}})");

  const auto status = op::decode_pod_status(pod->status_json);
  EXPECT_EQ(status.waiting_reason, "Unschedulable");
  EXPECT_EQ(status.waiting_message, "0/1 nodes are available");
}

TEST(ObjectCodec, PagesCarryTheirVersionAndWhereToGoOn) {
  const auto page = decode_page(ObjectKind::kJob,
                                R"({"metadata":{"resourceVersion":"9","continue":"token"},"items":[
          {"metadata":{"name":"a"},"spec":{"queue":"q"}},{"metadata":{"name":"b"}}]})");
  const auto empty = decode_page(ObjectKind::kJob, R"({"metadata":{},"items":null})");

  ASSERT_TRUE(page);
  EXPECT_EQ(page->resource_version, "9");
  EXPECT_EQ(page->next, "token");
  ASSERT_EQ(page->objects.size(), 2u);
  EXPECT_EQ(page->objects[0].spec_json, R"({"queue":"q"})");
  EXPECT_EQ(page->objects[1].key.name, "b");
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->objects.empty());
}

TEST(ObjectCodec, WhatIsNoObjectIsCorruption) {
  for (const char* text : {"", "{", "[]", "{}", R"({"metadata":[]})", "\"a\""}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(decode_object(ObjectKind::kJob, text).error().code, ErrorCode::kCorruption);
    EXPECT_EQ(decode_page(ObjectKind::kJob, text).error().code, ErrorCode::kCorruption);
    const WatchLine line = decode_watch_line(ObjectKind::kJob, text);
    EXPECT_EQ(line.type, WatchLine::Type::kError);
    EXPECT_EQ(line.error.code, ErrorCode::kCorruption);
  }
}

TEST(ObjectCodec, WatchLinesSayWhatHappened) {
  const auto line = [](const char* text) { return decode_watch_line(ObjectKind::kQueue, text); };

  const auto added = line(R"({"type":"ADDED","object":{"metadata":{"name":"a"},"spec":{"x":1}}})");
  const auto bookmark =
      line(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"77"}}})");
  const auto gone =
      line(R"({"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}})");

  EXPECT_EQ(added.type, WatchLine::Type::kAdded);
  EXPECT_EQ(added.object.spec_json, R"({"x":1})");
  EXPECT_EQ(bookmark.type, WatchLine::Type::kBookmark);
  EXPECT_EQ(bookmark.object.resource_version, "77");
  EXPECT_EQ(gone.type, WatchLine::Type::kError);
  EXPECT_EQ(gone.error.message, "too old");
}

TEST(ObjectCodec, PodIsSentWithItsOwnerAndWithoutStatus) {
  Object pod;
  pod.key = {ObjectKind::kPod, "ns", "a-0"};
  pod.labels["l"] = "v";
  pod.owner_uid = "u-1";
  pod.owner_name = "a";
  pod.spec_json = R"({"containers":[]})";
  pod.status_json = R"({"phase":"Running"})";

  EXPECT_EQ(json::parse(encode_object(pod)), json::parse(R"({
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"namespace": "ns", "name": "a-0", "labels": {"l": "v"},
      "ownerReferences": [{"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue", "name": "a",
                           "uid": "u-1", "controller": true}]},
    "spec": {"containers": []}})"));
  EXPECT_EQ(json::parse(encode_nameless(pod)).at("metadata").at("generateName"), "a-0-");
}

TEST(ObjectCodec, StatusPatchReplacesTheWholeStatusOfThatVersion) {
  EXPECT_EQ(json::parse(*encode_status_patch("42", R"({"ready":1})")), json::parse(R"([
    {"op": "replace", "path": "/metadata/resourceVersion", "value": "42"},
    {"op": "add", "path": "/status", "value": {"ready": 1}}])"));
  EXPECT_EQ(json::parse(*encode_status_patch("", "{}")), json::parse(R"([
    {"op": "add", "path": "/status", "value": {}}])"));
  EXPECT_EQ(encode_status_patch("", "[").error().code, ErrorCode::kInvalidArgument);
}

TEST(ObjectCodec, DefaultsOfTheServerAreNoDifference) {
  Object wanted;
  wanted.spec_json = R"({"retry":{"maxAttempts":3}})";
  wanted.labels["a"] = "b";
  Object live = wanted;
  live.spec_json = R"({"retry":{"maxAttempts":3,"maxLeaseLosses":5},"timeoutSeconds":300})";
  live.labels["more"] = "c";

  EXPECT_TRUE(has_all_of(live, wanted));
  EXPECT_FALSE(has_all_of(wanted, live));
  live.spec_json = R"({"retry":{"maxAttempts":4}})";
  EXPECT_FALSE(has_all_of(live, wanted));
}

}  // namespace
}  // namespace sluice::kube
