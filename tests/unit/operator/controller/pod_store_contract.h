// What every ObjectStore promises about pods, which others run and end.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/operator/controller/object_store_fixture.h"

namespace sluice::op {

template <typename Fixture>
class PodStoreContract : public ObjectStoreContract<Fixture> {};

TYPED_TEST_SUITE_P(PodStoreContract);

TYPED_TEST_P(PodStoreContract, CheckedPodIsNotMade) {
  const auto owner = *this->store().create(this->queue("a"));

  const auto checked = this->store().check_pod(this->pod("a-0", owner));

  EXPECT_TRUE(checked) << checked.error().message;
  EXPECT_TRUE(this->store().list(ObjectKind::kPod)->empty());
}

TYPED_TEST_P(PodStoreContract, PodKnowsItsQueue) {
  const auto owner = *this->store().create(this->queue("a"));

  const auto created = this->store().create(this->pod("a-0", owner));

  ASSERT_TRUE(created) << created.error().message;
  const auto live = *this->store().get(created->key);
  EXPECT_EQ(live.owner_uid, owner.uid);
  EXPECT_EQ(live.owner_name, "a");
  EXPECT_EQ(live.labels.at("sluice.dev/queue"), "a");
}

TYPED_TEST_P(PodStoreContract, OwnersDeletionTakesItsPodsAlong) {
  const auto owner = *this->store().create(this->queue("a"));
  const auto owned = this->store().create(this->pod("a-0", owner));
  ASSERT_TRUE(owned) << owned.error().message;

  ASSERT_TRUE(this->store().remove(owner.key, owner.uid));

  EXPECT_TRUE(this->fixture_.eventually([&] { return this->is_going(owned->key); }));
  this->fixture_.finish_removal(*owned);
  EXPECT_TRUE(this->fixture_.eventually([&] { return !this->store().get(owned->key); }));
  EXPECT_EQ(this->store().get(owned->key).error().code, ErrorCode::kNotFound);
}

REGISTER_TYPED_TEST_SUITE_P(PodStoreContract, CheckedPodIsNotMade, PodKnowsItsQueue,
                            OwnersDeletionTakesItsPodsAlong);

}  // namespace sluice::op
