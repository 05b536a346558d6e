#include "operator/kube/object_watch.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "tests/support/manual_clock.h"
#include "tests/unit/operator/kube/scripted_api_client.h"

namespace sluice::kube {
namespace {

using Lines = std::vector<std::string>;

class ObjectWatchTest : public ::testing::Test {
 protected:
  std::unique_ptr<ObjectWatch> start(op::ObjectKind kind = op::ObjectKind::kQueue) {
    return std::make_unique<ObjectWatch>(
        script_.make_client(), clock_, kind, "ns",
        WatchOptions{.page_size = 2,
                     .retry_min = std::chrono::microseconds{10},
                     .retry_max = std::chrono::microseconds{20}},
        ObjectWatch::Listener{[this](const op::WatchEvent& event) { hear(event); },
                              [this] { say("synced"); }});
  }

  // Waits until so much was said, and the server was asked for more than it has to say.
  Lines heard(std::size_t requests) {
    script_.wait_for_requests(requests);
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::string path(std::size_t request) { return script_.requests().at(request).path; }

  Script script_;

 private:
  void hear(const op::WatchEvent& event) {
    constexpr const char* kMarks[] = {"+", "~", "-"};
    say(kMarks[static_cast<int>(event.type)] + event.object.key.name + "@" +
        event.object.resource_version);
  }
  void say(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }

  testing::ManualClock clock_;
  std::mutex mutex_;
  Lines lines_;
};

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

TEST_F(ObjectWatchTest, ListsInPagesThenFollowsFromTheListsVersion) {
  script_.answer(200, list_json({object_json("a", 1, 5), object_json("b", 2, 6)}, 10, "to/ken"))
      .answer(200, list_json({object_json("c", 3, 7)}, 10))
      .stream({event_json("ADDED", object_json("d", 4, 11)),
               event_json("DELETED", object_json("a", 1, 12))});

  const auto watch = start();

  EXPECT_EQ(heard(4), (Lines{"+a@5", "+b@6", "+c@7", "synced", "+d@11", "-a@12"}));
  EXPECT_EQ(path(0), "/apis/sluice.dev/v1alpha1/namespaces/ns/queues?limit=2");
  EXPECT_TRUE(contains(path(1), "limit=2&continue=to%2Fken"));
  EXPECT_TRUE(contains(path(2), "watch=1"));
  EXPECT_TRUE(contains(path(2), "allowWatchBookmarks=true"));
  EXPECT_TRUE(contains(path(2), "timeoutSeconds="));
  EXPECT_TRUE(contains(path(2), "resourceVersion=10"));
}

TEST_F(ObjectWatchTest, OnlyPodsOfQueuesAreAskedFor) {
  script_.answer(200, list_json({}, 10)).stream({});

  const auto watch = start(op::ObjectKind::kPod);

  script_.wait_for_requests(2);
  EXPECT_TRUE(contains(path(0), "/api/v1/namespaces/ns/pods?"));
  EXPECT_TRUE(contains(path(0), "&labelSelector=sluice.dev%2Fqueue"));
  EXPECT_TRUE(contains(path(1), "&labelSelector=sluice.dev%2Fqueue"));
}

// SURVIVAL 1: ended, reset, or silent.
TEST_F(ObjectWatchTest, BrokenWatchIsResumedWhereItWas) {
  script_.answer(200, list_json({}, 10))
      .stream({event_json("ADDED", object_json("a", 1, 11))})
      .stream({event_json("ADDED", object_json("b", 2, 12))},
              Error{ErrorCode::kUnavailable, "reset"})
      .stream({event_json("BOOKMARK", R"({"metadata":{"resourceVersion":"30"}})")},
              Error{ErrorCode::kDeadlineExceeded, "nothing came"})
      .stream({R"({"type":"ADDED","obj)"})
      .stream({event_json("ADDED", object_json("c", 3, 31))});

  const auto watch = start();

  EXPECT_EQ(heard(7), (Lines{"synced", "+a@11", "+b@12", "+c@31"}));
  EXPECT_TRUE(contains(path(1), "resourceVersion=10"));
  EXPECT_TRUE(contains(path(2), "resourceVersion=11"));
  EXPECT_TRUE(contains(path(3), "resourceVersion=12"));
  EXPECT_TRUE(contains(path(4), "resourceVersion=30"));
  EXPECT_TRUE(contains(path(5), "resourceVersion=30"));
}

// SURVIVAL 2.
TEST_F(ObjectWatchTest, ExpiredVersionIsListedAnewAndToldAsTheDifference) {
  script_.answer(200, list_json({object_json("a", 1, 5), object_json("b", 2, 6)}, 10))
      .stream({event_json("ERROR", status_json(410, "Expired", "too old"))})
      .answer(200, list_json({object_json("b", 2, 16), object_json("c", 3, 17)}, 20))
      .stream({}, Error{ErrorCode::kConflict, "Gone", "resourceVersion"})
      .answer(200, list_json({object_json("b", 2, 16), object_json("c", 3, 17)}, 21));

  const auto watch = start();

  EXPECT_EQ(heard(6), (Lines{"+a@5", "+b@6", "synced", "~b@16", "+c@17", "-a@20"}));
  EXPECT_TRUE(contains(path(5), "resourceVersion=21"));
}

// SURVIVAL 2: on a list's continue.
TEST_F(ObjectWatchTest, ExpiredContinueStartsTheListOver) {
  script_.answer(200, list_json({object_json("a", 1, 5), object_json("b", 2, 6)}, 10, "t"))
      .answer(410, status_json(410, "Expired", "continue expired"))
      .answer(200, list_json({object_json("b", 2, 6), object_json("c", 3, 15)}, 20));

  const auto watch = start();

  EXPECT_EQ(heard(4), (Lines{"+a@5", "+b@6", "+c@15", "-a@20", "synced"}));
  EXPECT_TRUE(contains(path(2), "limit=0"));
  EXPECT_FALSE(contains(path(2), "continue"));
}

// SURVIVAL 3.
TEST_F(ObjectWatchTest, VersionTheServerHasNotSeenIsListedAnew) {
  const auto ahead = status_json(504, "Timeout", "Too large resource version: 10, current: 8");
  script_.answer(200, list_json({object_json("a", 1, 5)}, 10))
      .stream({event_json("ERROR", ahead)})
      .answer(200, list_json({object_json("a", 1, 5)}, 11));

  const auto watch = start();

  EXPECT_EQ(heard(4), (Lines{"+a@5", "synced"}));
  EXPECT_TRUE(contains(path(3), "resourceVersion=11"));
}

// SURVIVAL 3: never back in time.
TEST_F(ObjectWatchTest, ListOfAReplicaThatLagsIsNotBelieved) {
  script_.answer(200, list_json({object_json("a", 1, 9)}, 10))
      .stream({event_json("ERROR", status_json(410, "Expired", "too old"))})
      .answer(200, list_json({}, 8))
      .answer(200, list_json({object_json("a", 1, 9)}, 12));

  const auto watch = start();

  EXPECT_EQ(heard(5), (Lines{"+a@9", "synced"}));
}

TEST_F(ObjectWatchTest, ServerWhoseStoreWasRestoredIsBelievedInTheEnd) {
  script_.answer(200, list_json({object_json("a", 1, 9), object_json("b", 2, 8)}, 10))
      .stream({event_json("ERROR", status_json(410, "Expired", "too old"))});
  for (int i = 0; i < ObjectWatch::kStaleListsMax; ++i) {
    script_.answer(200, list_json({object_json("a", 1, 3)}, 4));
  }

  const auto watch = start();

  EXPECT_EQ(heard(3 + ObjectWatch::kStaleListsMax),
            (Lines{"+a@9", "+b@8", "synced", "-a@3", "+a@3", "-b@4"}));
}

// SURVIVAL 5, 15: not installed yet, no rights, overloaded.
TEST_F(ObjectWatchTest, RefusedListIsTriedUntilItWorks) {
  script_.answer(404, "404 page not found")
      .answer(429, status_json(429, "TooManyRequests", "storage is (re)initializing"),
              std::chrono::seconds{0})
      .answer(403, status_json(403, "Forbidden", "queues is forbidden"))
      .unreachable()
      .answer(200, list_json({object_json("a", 1, 5)}, 10))
      .stream({}, Error{ErrorCode::kPermissionDenied, "forbidden"})
      .stream({event_json("ADDED", object_json("b", 2, 11))});

  const auto watch = start();

  EXPECT_EQ(heard(8), (Lines{"+a@5", "synced", "+b@11"}));
}

TEST_F(ObjectWatchTest, EndingItEndsTheCallUnderWay) {
  script_.answer(200, list_json({}, 10));
  auto watch = start();
  script_.wait_for_requests(2);

  watch.reset();

  EXPECT_EQ(script_.requests().size(), 2u);
}

}  // namespace
}  // namespace sluice::kube
