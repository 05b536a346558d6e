#include "operator/kube/kube_events.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/manual_clock.h"
#include "tests/unit/operator/kube/scripted_api_client.h"

namespace sluice::kube {
namespace {

using nlohmann::json;

class KubeEventsTest : public ::testing::Test {
 protected:
  KubeEventsTest() {
    queue_.key = {op::ObjectKind::kQueue, "ns", "q"};
    queue_.uid = "u";
  }
  void start(std::size_t waiting_max = 1000) {
    events_ = std::make_unique<KubeEvents>(
        *client_, clock_, KubeEventsOptions{.instance = "pod-1", .waiting_max = waiting_max});
  }
  void record(const std::string& message) {
    events_->record(queue_, op::EventSeverity::kWarning, "QuotaExceeded", message);
  }

  testing::ManualClock clock_;
  Script script_;
  std::unique_ptr<ApiClient> client_ = script_.make_client();
  op::Object queue_;
  std::unique_ptr<KubeEvents> events_;
};

TEST_F(KubeEventsTest, EventTellsWhatHappenedToWhom) {
  script_.answer(201, "{}");
  start();

  record("no room");

  const ApiRequest request = script_.wait_for_requests(1).at(0);
  const json event = json::parse(request.body);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/apis/events.k8s.io/v1/namespaces/ns/events");
  EXPECT_EQ(event.at("reason"), "QuotaExceeded");
  EXPECT_EQ(event.at("note"), "no room");
  EXPECT_EQ(event.at("type"), "Warning");
  EXPECT_EQ(event.at("regarding").at("kind"), "Queue");
  EXPECT_EQ(event.at("regarding").at("uid"), "u");
  EXPECT_EQ(event.at("reportingInstance"), "pod-1");
  EXPECT_FALSE(event.contains("series"));
}

TEST_F(KubeEventsTest, RepeatedEventOnlyGrowsItsCount) {
  script_.answer(201, "{}").answer(200, "{}").answer(404, "").answer(201, "{}");
  start();

  for (int i = 0; i < 4; ++i) record("no room");

  const auto requests = script_.wait_for_requests(4);
  const json first = json::parse(requests.at(0).body);
  EXPECT_EQ(requests[1].method, "PATCH");
  EXPECT_EQ(requests[1].path,
            requests[0].path + "/" + first.at("metadata").at("name").get<std::string>());
  EXPECT_EQ(json::parse(requests[1].body).at("series").at("count"), 2);
  // The API server had let it expire.
  EXPECT_EQ(requests[3].method, "POST");
}

TEST_F(KubeEventsTest, LongMessageIsCutBetweenCharacters) {
  script_.answer(201, "{}");
  start();
  std::string message = "a";
  while (message.size() < 2000) message += "é";

  record(message);

  const json event = json::parse(script_.wait_for_requests(1).at(0).body);
  EXPECT_EQ(event.at("note").get<std::string>().size(), 1023u);
}

TEST_F(KubeEventsTest, RecordingNeverWaitsForAServerThatHangs) {
  start(/*waiting_max=*/2);

  for (int i = 0; i < 100; ++i) record(std::to_string(i));
  script_.wait_for_requests(1);
  events_.reset();

  EXPECT_EQ(script_.requests().size(), 1u);
}

}  // namespace
}  // namespace sluice::kube
