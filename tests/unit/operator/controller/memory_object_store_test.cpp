#include "operator/controller/memory_object_store.h"

#include "operator/controller/replicas_field.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/operator/controller/object_store_contract.h"
#include "tests/unit/operator/controller/pod_store_contract.h"

namespace sluice::op {
namespace {

class MemoryFixture {
 public:
  ObjectStore& store() { return store_; }
  std::string namespace_name() const { return "default"; }
  std::string missing() const { return {}; }
  void finish_removal(const Object& pod) { ASSERT_TRUE(store_.finish_removal(pod.key, pod.uid)); }
  void pin_replicas(const ObjectKey& queue, int replicas) {
    Object pinned = *store_.get(queue);
    pinned.replicas_manager.clear();
    pinned.spec_json = with_replicas(pinned.spec_json, replicas);
    ASSERT_TRUE(store_.apply(pinned));
  }
  bool eventually(const std::function<bool()>& fact) const { return fact(); }

 private:
  testing::ManualClock clock_;
  MemoryObjectStore store_{clock_, 1};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Memory, ObjectStoreContract, MemoryFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, PodStoreContract, MemoryFixture);

Object queue_named(const std::string& name) {
  Object object;
  object.key = {ObjectKind::kQueue, "default", name};
  object.spec_json = R"({"payload":{"x" : 1.50}})";
  return object;
}

TEST(MemoryObjectStore, SnapshotKeepsUidsGenerationsAndStatusButNoPods) {
  testing::ManualClock clock;
  MemoryObjectStore before(clock, 1);
  const auto queue = *before.create(queue_named("a"));
  ASSERT_TRUE(before.update_status(queue.key, "", R"({"ready":3})"));
  Object pod;
  pod.key = {ObjectKind::kPod, "default", "a-0"};
  ASSERT_TRUE(before.create(pod));

  MemoryObjectStore after(clock, 2);
  ASSERT_TRUE(after.restore(before.snapshot()));

  const auto kept = after.get(queue.key);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->uid, queue.uid);
  EXPECT_EQ(kept->generation, 1);
  EXPECT_EQ(kept->spec_json, queue.spec_json);
  EXPECT_EQ(kept->status_json, R"({"ready":3})");
  EXPECT_EQ(kept->created_at, queue.created_at);
  EXPECT_FALSE(after.get(pod.key));
}

TEST(MemoryObjectStore, VersionsAndUidsGoOnAfterRestore) {
  testing::ManualClock clock;
  MemoryObjectStore before(clock, 1);
  const auto old = *before.create(queue_named("a"));
  MemoryObjectStore after(clock, 2);
  ASSERT_TRUE(after.restore(before.snapshot()));

  const auto fresh = *after.create(queue_named("b"));

  EXPECT_NE(fresh.uid, old.uid);
  EXPECT_GT(std::stoll(fresh.resource_version), std::stoll(old.resource_version));
}

TEST(MemoryObjectStore, DamagedSnapshotIsRefusedWhole) {
  testing::ManualClock clock;
  for (const char* text : {"", "{", "[]", R"({"version":2,"objects":[]})",
                           R"({"version":1,"objects":[{"kind":"Queue"}]})"}) {
    SCOPED_TRACE(text);
    MemoryObjectStore store(clock, 1);

    const auto restored = store.restore(text);

    ASSERT_FALSE(restored);
    EXPECT_EQ(restored.error().code, ErrorCode::kCorruption);
    EXPECT_TRUE(store.list(ObjectKind::kQueue)->empty());
  }
}

TEST(MemoryObjectStore, RemovedPodStaysUntilWhatRunsItSaysSo) {
  testing::ManualClock clock;
  MemoryObjectStore store(clock, 1);
  Object pod;
  pod.key = {ObjectKind::kPod, "default", "a-0"};
  const auto created = *store.create(pod);

  ASSERT_TRUE(store.remove(created.key, created.uid));

  ASSERT_TRUE(store.get(created.key));
  EXPECT_TRUE(store.get(created.key)->deletion_time);
}

TEST(MemoryObjectStore, EndedWatchHearsNothingMore) {
  testing::ManualClock clock;
  MemoryObjectStore store(clock, 1);
  int heard = 0;
  auto watch = store.watch(ObjectKind::kQueue, [&](const WatchEvent&) { ++heard; });
  ASSERT_TRUE(store.create(queue_named("a")));
  store.wait_delivered();

  watch.reset();
  ASSERT_TRUE(store.create(queue_named("b")));
  store.wait_delivered();

  EXPECT_EQ(heard, 1);
}

TEST(MemoryObjectStore, CallbackMayCallTheStoreAndEndItsOwnWatch) {
  testing::ManualClock clock;
  MemoryObjectStore store(clock, 1);
  std::unique_ptr<Watch> watch;
  int heard = 0;
  watch = store.watch(ObjectKind::kQueue, [&](const WatchEvent& event) {
    ++heard;
    EXPECT_TRUE(store.update_status(event.object.key, "", R"({"seen":true})"));
    watch.reset();
  });
  store.wait_delivered();

  ASSERT_TRUE(store.create(queue_named("a")));
  store.wait_delivered();

  EXPECT_EQ(heard, 1);
}

}  // namespace
}  // namespace sluice::op
