#include "operator/kube/watch_index.h"

#include <gtest/gtest.h>

#include "operator/controller/object_cache.h"
#include "operator/controller/pod_builder.h"

namespace sluice::kube {
namespace {

using op::EventType;
using op::Object;
using op::ObjectKind;
using op::WatchEvent;

class WatchIndexTest : public ::testing::Test {
 protected:
  static Object object(const std::string& name, int uid, int version) {
    Object object;
    object.key = {ObjectKind::kQueue, "ns", name};
    object.uid = "00000000-0000-0000-0000-00000000000" + std::to_string(uid);
    object.resource_version = std::to_string(version);
    return object;
  }

  void list(const std::vector<Object>& objects, int version, bool is_rewound = false) {
    index_.begin_list(is_rewound);
    for (const Object& one : objects) index_.listed(one, tell_);
    index_.end_list(std::to_string(version), tell_);
  }
  void change(EventType type, const Object& object) { index_.changed({type, object}, tell_); }

  std::vector<std::string> heard() { return std::exchange(heard_, {}); }

  WatchIndex index_{ObjectKind::kQueue};
  op::ObjectCache cache_;  // what listens in the operator: it may not refuse what it is told
  std::vector<std::string> heard_;
  WatchIndex::Tell tell_ = [this](const WatchEvent& event) {
    constexpr const char* kMarks[] = {"+", "~", "-"};
    heard_.push_back(kMarks[static_cast<int>(event.type)] + event.object.key.name +
                     event.object.uid.back() + "@" + event.object.resource_version);
    EXPECT_TRUE(cache_.observe(event));
  };
};

using Lines = std::vector<std::string>;

TEST_F(WatchIndexTest, SecondListIsToldAsTheDifference) {
  list({object("a", 1, 5), object("b", 2, 6), object("c", 3, 7)}, 10);
  EXPECT_EQ(heard(), (Lines{"+a1@5", "+b2@6", "+c3@7"}));

  list({object("a", 1, 5), object("b", 2, 12), object("d", 4, 13)}, 20);

  EXPECT_EQ(heard(), (Lines{"~b2@12", "+d4@13", "-c3@20"}));
  EXPECT_EQ(index_.size(), 3u);
}

TEST_F(WatchIndexTest, ListThatBrokeOffDeletesNothing) {
  list({object("a", 1, 5), object("b", 2, 6)}, 10);
  heard();

  index_.begin_list();
  index_.listed(object("a", 1, 5), tell_);
  list({object("a", 1, 5), object("b", 2, 6)}, 11);

  EXPECT_EQ(heard(), Lines{});
}

TEST_F(WatchIndexTest, SameNameWithAnotherUidIsADeletionAndAnAddition) {
  list({object("a", 1, 5)}, 10);
  heard();

  list({object("a", 2, 15)}, 20);

  EXPECT_EQ(heard(), (Lines{"-a1@5", "+a2@15"}));
}

TEST_F(WatchIndexTest, EventsToldBeforeAreSwallowed) {
  list({object("a", 1, 5)}, 10);
  heard();

  change(EventType::kAdded, object("a", 1, 5));
  change(EventType::kModified, object("a", 1, 4));
  change(EventType::kDeleted, object("b", 2, 12));

  EXPECT_EQ(heard(), Lines{});
}

// SURVIVAL 3: never back in time.
TEST_F(WatchIndexTest, OlderVersionsAreNotTold) {
  list({object("a", 1, 8)}, 10);
  heard();

  list({object("a", 1, 7)}, 12);
  change(EventType::kDeleted, object("a", 1, 6));

  EXPECT_EQ(heard(), Lines{});
}

TEST_F(WatchIndexTest, RewoundServerIsBelieved) {
  list({object("a", 1, 8), object("b", 2, 9)}, 10);
  heard();

  list({object("a", 1, 3)}, 4, /*is_rewound=*/true);

  EXPECT_EQ(heard(), (Lines{"-a1@3", "+a1@3", "-b2@4"}));
}

TEST_F(WatchIndexTest, ChangesAreToldInOrder) {
  list({}, 10);

  change(EventType::kAdded, object("a", 1, 11));
  change(EventType::kModified, object("a", 1, 12));
  change(EventType::kDeleted, object("a", 1, 13));
  change(EventType::kAdded, object("a", 2, 14));

  EXPECT_EQ(heard(), (Lines{"+a1@11", "~a1@12", "-a1@13", "+a2@14"}));
}

TEST(WatchIndexOfPods, DeletionThatWasMissedStillNamesTheQueue) {
  WatchIndex index(ObjectKind::kPod);
  Object pod;
  pod.key = {ObjectKind::kPod, "ns", "a-0"};
  pod.uid = "00000000-0000-0000-0000-000000000001";
  pod.resource_version = "5";
  pod.labels = {{op::kQueueLabel, "a"}, {"other", "x"}};
  std::vector<WatchEvent> heard;
  const auto tell = [&](const WatchEvent& event) { heard.push_back(event); };
  index.begin_list();
  index.listed(pod, tell);
  index.end_list("6", tell);

  index.begin_list();
  index.end_list("9", tell);

  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[1].type, EventType::kDeleted);
  EXPECT_EQ(heard[1].object.uid, pod.uid);
  EXPECT_EQ(heard[1].object.labels.at(op::kQueueLabel), "a");
}

}  // namespace
}  // namespace sluice::kube
