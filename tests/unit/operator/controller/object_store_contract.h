// What every ObjectStore promises: run for the memory one here, for a real API server elsewhere.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/operator/controller/object_store_fixture.h"

namespace sluice::op {

TYPED_TEST_SUITE_P(ObjectStoreContract);

TYPED_TEST_P(ObjectStoreContract, CreatedObjectHasUidVersionAndGenerationOne) {
  const auto created = this->store().create(this->queue("a"));

  ASSERT_TRUE(created);
  EXPECT_FALSE(created->uid.empty());
  EXPECT_FALSE(created->resource_version.empty());
  EXPECT_EQ(created->generation, 1);
  EXPECT_NE(created->spec_json.find(R"("timeoutSeconds":5)"), std::string::npos);
  EXPECT_EQ(created->status_json, "{}");
  EXPECT_FALSE(created->deletion_time);
  EXPECT_EQ(this->store().get(created->key)->uid, created->uid);
}

TYPED_TEST_P(ObjectStoreContract, ListHoldsEveryObjectOfTheKind) {
  ASSERT_TRUE(this->store().create(this->queue("a")));
  ASSERT_TRUE(this->store().create(this->queue("b")));
  ASSERT_TRUE(this->store().create(this->job("c")));

  const auto queues = this->store().list(ObjectKind::kQueue);

  ASSERT_TRUE(queues);
  ASSERT_EQ(queues->size(), 2u);
  EXPECT_EQ((*queues)[0].key.name, "a");
  EXPECT_EQ((*queues)[1].key.name, "b");
}

TYPED_TEST_P(ObjectStoreContract, WhatIsNotThereIsNotFound) {
  const ObjectKey missing = this->key(ObjectKind::kQueue, "missing");

  EXPECT_EQ(this->store().get(missing).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(this->store().update_status(missing, "", "{}").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(this->store().set_replicas(missing, 1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(this->store().remove(missing, "").error().code, ErrorCode::kNotFound);
}

TYPED_TEST_P(ObjectStoreContract, LabelsAnnotationsAndAnyPayloadSurvive) {
  Object object = this->job(
      "a",
      R"({"metadata":{"managedFields":[1]},"spec":{"x y":null},"text":"\u00e9\n","list":[0.5,true]})");
  object.labels["example.com/team"] = "blue";
  object.annotations["example.com/note"] = "two words";

  const auto created = this->store().create(object);
  ASSERT_TRUE(created);

  const auto live = *this->store().get(created->key);
  EXPECT_EQ(live.labels, object.labels);
  EXPECT_EQ(live.annotations, object.annotations);
  EXPECT_NE(live.spec_json.find(R"("managedFields":[1])"), std::string::npos);
  EXPECT_NE(live.spec_json.find(R"("x y":null)"), std::string::npos);
  EXPECT_NE(live.spec_json.find("0.5"), std::string::npos);
}

TYPED_TEST_P(ObjectStoreContract, TakenNameIsConflict) {
  ASSERT_TRUE(this->store().create(this->queue("a")));

  const auto again = this->store().create(this->queue("a"));

  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
}

TYPED_TEST_P(ObjectStoreContract, GenerationCountsSpecChangesOnly) {
  const auto created = *this->store().create(this->queue("a"));

  const auto status = *this->store().update_status(created.key, "", R"({"ready":1})");
  Object relabelled = created;
  relabelled.labels["x"] = "y";
  const auto labels = *this->store().apply(relabelled);
  relabelled.spec_json = this->kOtherQueueSpec;
  const auto spec = *this->store().apply(relabelled);

  EXPECT_EQ(status.generation, 1);
  EXPECT_EQ(labels.generation, 1);
  EXPECT_EQ(labels.status_json, R"({"ready":1})");
  EXPECT_EQ(labels.labels, relabelled.labels);
  EXPECT_EQ(spec.generation, 2);
  EXPECT_EQ(spec.uid, created.uid);
}

TYPED_TEST_P(ObjectStoreContract, WritingWhatStandsThereChangesNothing) {
  const auto created = *this->store().create(this->queue("a"));
  const auto status = *this->store().update_status(created.key, "", R"({"ready":1})");

  const auto same = *this->store().apply(this->queue("a"));
  const auto same_status = *this->store().update_status(created.key, "", R"({"ready":1})");

  EXPECT_EQ(same.resource_version, status.resource_version);
  EXPECT_EQ(same_status.resource_version, status.resource_version);
}

TYPED_TEST_P(ObjectStoreContract, StatusIsReplacedAsAWhole) {
  const auto created = *this->store().create(this->queue("a"));
  ASSERT_TRUE(this->store().update_status(created.key, "", R"({"ready":1,"running":2})"));

  const auto status = *this->store().update_status(created.key, "", R"({"running":3})");

  EXPECT_EQ(status.status_json, R"({"running":3})");
  EXPECT_EQ(status.spec_json, created.spec_json);
}

TYPED_TEST_P(ObjectStoreContract, StaleVersionIsConflict) {
  const auto created = *this->store().create(this->queue("a"));
  ASSERT_TRUE(this->store().update_status(created.key, created.resource_version, R"({"ready":1})"));

  const auto stale =
      this->store().update_status(created.key, created.resource_version, R"({"ready":2})");

  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, ErrorCode::kConflict);
  EXPECT_EQ(this->store().get(created.key)->status_json, R"({"ready":1})");
}

TYPED_TEST_P(ObjectStoreContract, ReplicasBelongToWhoSetsThem) {
  const auto created = *this->store().create(this->queue("a"));

  const auto set = *this->store().set_replicas(created.key, 3);
  const auto same = *this->store().set_replicas(created.key, 3);
  const auto changed = *this->store().set_replicas(created.key, 4);

  EXPECT_EQ(created.replicas_manager, "");
  EXPECT_EQ(set.replicas_manager, kFieldManager);
  EXPECT_EQ(set.generation, 2);
  EXPECT_EQ(same.resource_version, set.resource_version);
  EXPECT_NE(changed.spec_json.find(R"("replicas":4)"), std::string::npos);
  EXPECT_NE(changed.spec_json.find(R"("timeoutSeconds":5)"), std::string::npos);
}

TYPED_TEST_P(ObjectStoreContract, PinnedReplicasAreLeftAlone) {
  const auto created = *this->store().create(this->queue("a"));
  ASSERT_TRUE(this->store().set_replicas(created.key, 3));
  this->fixture_.pin_replicas(created.key, 7);

  const auto refused = this->store().set_replicas(created.key, 4);
  const auto same = this->store().set_replicas(created.key, 7);

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  ASSERT_FALSE(same);
  EXPECT_EQ(same.error().code, ErrorCode::kConflict);
  const auto live = *this->store().get(created.key);
  EXPECT_NE(live.replicas_manager, kFieldManager);
  EXPECT_NE(live.replicas_manager, "");
  EXPECT_NE(live.spec_json.find(R"("replicas":7)"), std::string::npos);
}

TYPED_TEST_P(ObjectStoreContract, RemovalIsGuardedByUid) {
  const auto created = *this->store().create(this->queue("a"));

  const auto other = this->store().remove(created.key, "00000000-0000-0000-0000-000000000000");
  const auto own = this->store().remove(created.key, created.uid);
  const auto again = this->store().remove(created.key, created.uid);

  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kConflict);
  EXPECT_TRUE(own);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kNotFound);
}

TYPED_TEST_P(ObjectStoreContract, SameNameLaterIsAnotherObject) {
  const auto first = *this->store().create(this->job("a"));
  ASSERT_TRUE(this->store().remove(first.key, first.uid));

  const auto second = *this->store().create(this->job("a"));

  EXPECT_NE(second.uid, first.uid);
}

TYPED_TEST_P(ObjectStoreContract, WatchTellsWhatThereIsThenEachChangeInOrder) {
  ASSERT_TRUE(this->store().create(this->queue("a")));
  typename TestFixture::Heard heard;
  const auto watch = this->watch(ObjectKind::kQueue, heard);
  heard.wait_for(2);

  const auto b = *this->store().create(this->queue("b"));
  ASSERT_TRUE(this->store().create(this->job("not-watched")));
  ASSERT_TRUE(this->store().update_status(b.key, "", R"({"ready":1})"));
  ASSERT_TRUE(this->store().update_status(b.key, "", R"({"ready":1})"));
  ASSERT_TRUE(this->store().remove(b.key, b.uid));

  EXPECT_EQ(heard.wait_for(5), (std::vector<std::string>{"+a", "synced", "+b", "~b", "-b"}));
}

REGISTER_TYPED_TEST_SUITE_P(ObjectStoreContract, CreatedObjectHasUidVersionAndGenerationOne,
                            ListHoldsEveryObjectOfTheKind, WhatIsNotThereIsNotFound,
                            LabelsAnnotationsAndAnyPayloadSurvive, TakenNameIsConflict,
                            GenerationCountsSpecChangesOnly, WritingWhatStandsThereChangesNothing,
                            StatusIsReplacedAsAWhole, StaleVersionIsConflict,
                            ReplicasBelongToWhoSetsThem, PinnedReplicasAreLeftAlone,
                            RemovalIsGuardedByUid, SameNameLaterIsAnotherObject,
                            WatchTellsWhatThereIsThenEachChangeInOrder);

}  // namespace sluice::op
