// Watches of a real API server that break: nothing is lost, nothing is told twice (SURVIVAL 1–3).
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "operator/kube/kube_object_store.h"
#include "operator/kube/rest_client.h"
#include "tests/integration/kube/fault_fixture.h"
#include "tests/integration/kube/proxy_target.h"
#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

using namespace std::chrono_literals;
using op::EventType;
using op::WatchEvent;

constexpr const char* kTooLarge =
    R"({"kind":"Status","status":"Failure","reason":"Timeout","code":504,)"
    R"("message":"Too large resource version: 9999999, current: 5",)"
    R"("details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}})";

// What a watch has told, as its listener knows it.
class Told {
 public:
  void hear(const WatchEvent& event) {
    const std::scoped_lock lock(mutex_);
    const std::string& name = event.object.key.name;
    if (event.type == EventType::kAdded) ++added_[name];
    if (event.type == EventType::kDeleted) ++deleted_[name];
  }
  // "a+1-1": told once as new, once as gone.
  std::string of(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    return name + "+" + std::to_string(added_[name]) + "-" + std::to_string(deleted_[name]);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> added_;
  std::map<std::string, int> deleted_;
};

// The jobs of a namespace, watched through the proxy, with the operator's patience cut short.
class FaultyWatch : public ::testing::Test {
 protected:
  static inline const ProxyMatch kWatch{.path_contains = "watch="};
  static inline const ProxyMatch kList{.path_contains = "/jobs?limit="};

  void SetUp() override {
    if (!cluster_.missing().empty()) GTEST_SKIP() << cluster_.missing();
    scene_.emplace(cluster_, "http://127.0.0.1:1");
    store_.emplace(
        *client_for(), [this] { return make_client(); }, clock_,
        kube::KubeStoreOptions{
            .namespaces = {scene_->ns()},
            .watch = {.page_size = 2, .idle = 1s, .retry_min = 10ms, .retry_max = 100ms}});
    for (const char* name : {"a", "b", "c"}) scene_->make_job(name);
  }

  void start() {
    watch_ =
        store_->watch(op::ObjectKind::kJob, [this](const WatchEvent& event) { told_.hear(event); });
    for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(becomes(name, "+1-0"));
    ASSERT_TRUE(proxy().wait_for(kWatch, 1));
  }
  KubeProxy& proxy() { return scene_->proxy(); }
  bool becomes(const std::string& name, const std::string& want) {
    return eventually([&] { return told_.of(name) == name + want; });
  }
  // A change of either kind arrives, and what was there is not told again.
  void expect_whole() {
    scene_->make_job("later");
    scene_->remove(scene_->path("jobs", "b"));
    EXPECT_TRUE(becomes("later", "+1-0")) << told_.of("later");
    EXPECT_TRUE(becomes("b", "+1-1")) << told_.of("b");
    EXPECT_EQ(told_.of("c"), "c+1-0");
  }
  // Behind the watch's back: `a` goes, `new` comes.
  void change_while_down() {
    proxy().go_down();
    scene_->remove(scene_->path("jobs", "a"));
    scene_->make_job("new");
  }
  void expect_caught_up() {
    EXPECT_TRUE(becomes("a", "+1-1")) << told_.of("a");
    EXPECT_TRUE(becomes("new", "+1-0")) << told_.of("new");
    expect_whole();
  }

  Cluster cluster_;
  SystemClock clock_;
  std::optional<FaultScene> scene_;
  Told told_;
  std::unique_ptr<kube::ApiClient> calls_;
  std::optional<kube::KubeObjectStore> store_;
  std::unique_ptr<op::Watch> watch_;

 private:
  std::unique_ptr<kube::ApiClient> make_client() {
    auto client = kube::make_rest_client({.server = proxy().url()},
                                         {.user_agent = "sluice-tests", .clock = clock_});
    CHECK(client);
    return *std::move(client);
  }
  kube::ApiClient* client_for() {
    calls_ = make_client();
    return calls_.get();
  }
};

// SURVIVAL 1
TEST_F(FaultyWatch, CutAndResumed) {
  start();

  change_while_down();
  proxy().come_back();

  expect_caught_up();
  EXPECT_EQ(proxy().count(kList), 2) << "two pages, once";
}

// SURVIVAL 1
TEST_F(FaultyWatch, AnswerThatNeverBeginsIsGivenUp) {
  proxy().on({.path_contains = "watch=", .times = 2}, Fault::stall());
  start();

  expect_whole();
}

// SURVIVAL 1
TEST_F(FaultyWatch, SilenceInTheMiddleIsGivenUp) {
  proxy().on({.path_contains = "watch=", .times = 2}, Fault::stall_after_lines(1));
  start();

  scene_->make_job("seen");
  scene_->make_job("missed");

  EXPECT_TRUE(becomes("seen", "+1-0"));
  EXPECT_TRUE(becomes("missed", "+1-0"));
  expect_whole();
}

// SURVIVAL 1
TEST_F(FaultyWatch, LineCutInTheMiddleIsReadAgain) {
  proxy().on({.path_contains = "watch=", .times = 3}, Fault::cut_mid_line());
  start();

  scene_->make_job("torn");

  EXPECT_TRUE(becomes("torn", "+1-0")) << told_.of("torn");
  expect_whole();
}

// SURVIVAL 1
TEST_F(FaultyWatch, EndAfterALineIsResumed) {
  proxy().on({.path_contains = "watch=", .times = 3}, Fault::cut_after_lines(1));
  start();

  expect_whole();
}

// SURVIVAL 2
TEST_F(FaultyWatch, ExpiredVersionAsAnAnswerIsListedAnew) {
  start();
  change_while_down();
  proxy().on(kWatch, Fault::refuse(410, "Expired", "too old resource version: 1 (2)"));
  proxy().come_back();

  expect_caught_up();
  EXPECT_GT(proxy().count(kList), 2);
}

// SURVIVAL 2
TEST_F(FaultyWatch, ExpiredVersionAsAnEventIsListedAnew) {
  start();
  change_while_down();
  proxy().on(kWatch, Fault::watch_expired());
  proxy().come_back();

  expect_caught_up();
  EXPECT_GT(proxy().count(kList), 2);
}

// SURVIVAL 2
TEST_F(FaultyWatch, ContinueTokenThatExpiredIsListedAnew) {
  start();
  change_while_down();
  proxy().on(kWatch, Fault::watch_expired());
  proxy().on({.path_contains = "continue="}, Fault::refuse(410, "Expired"));
  proxy().come_back();

  expect_caught_up();
}

// SURVIVAL 3
TEST_F(FaultyWatch, VersionAheadOfTheServerIsListedAnewNotAskedForEver) {
  start();
  change_while_down();
  proxy().on({.path_contains = "watch=", .times = 2}, Fault::answer(504, kTooLarge));
  proxy().on({.path_contains = "watch="},
             Fault::inject_line(R"({"type":"ERROR","object":)" + std::string(kTooLarge) + "}"));
  const int asked = proxy().count(kWatch);
  proxy().come_back();

  expect_caught_up();
  EXPECT_LE(proxy().count(kWatch) - asked, 5);
}

// SURVIVAL 3
TEST_F(FaultyWatch, OlderListThanTheWatchWasIsNotBelieved) {
  const std::string old_list = R"({"kind":"JobList","apiVersion":"sluice.dev/v1alpha1",)"
                               R"("metadata":{"resourceVersion":"1"},"items":[]})";
  start();
  change_while_down();
  proxy().on(kWatch, Fault::watch_expired());
  proxy().on({.path_contains = "/jobs?limit=", .times = 2}, Fault::answer(200, old_list));
  proxy().come_back();

  expect_caught_up();
}

// SURVIVAL 5, 15
TEST_F(FaultyWatch, RefusalsOfListsAndWatchesAreOutlasted) {
  proxy().on({.path_contains = "/jobs?limit="}, Fault::refuse(403, "Forbidden"));
  proxy().on({.path_contains = "/jobs?limit="}, Fault::too_many_requests(1));
  proxy().on({.path_contains = "watch="}, Fault::refuse(403, "Forbidden"));
  proxy().on({.path_contains = "watch="}, Fault::refuse(500, "InternalError"));
  proxy().on({.path_contains = "watch="}, Fault::refuse(503, "ServiceUnavailable"));
  start();

  expect_whole();
}

}  // namespace
}  // namespace sluice::testing
