// `sluice export` and `import` between two brokers.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "tests/integration/broker_fixture.h"
#include "tests/support/environment.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;

class Transfer : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    ASSERT_EQ(other_api_.put_queue(Json::object()).status, 200);
  }

  // The exit code of `sluice WORDS… --server URL`.
  int sluice(const BrokerProcess& broker, std::vector<std::string> words,
             const std::string& input = {}) {
    words.insert(words.begin(), {program_path("sluice").string(), "--server", broker.url()});
    ChildProcess process({.argv = std::move(words), .input = input});
    const auto end = process.wait();
    out_ = process.output();
    err_ = process.errors();
    return end && end->exit_code ? *end->exit_code : -1;
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string enqueue(const std::string& body) {
    Reply reply = api_.post("/jobs", body);
    EXPECT_EQ(reply.status, 202) << reply.text;
    return reply.body["id"];
  }

  BrokerProcess other_{folder_.path() / "other"};
  ApiClient other_api_{other_.url()};
  std::string out_;
  std::string err_;
};

// Everything a job may have, with payloads that a printer of JSON would change.
TEST_F(Transfer, ExportedJobsAreTheSameAfterTheirImport) {
  const std::string parent = enqueue(R"({"payload":"parent","delaySeconds":3600})");
  const std::string bodies[] = {
      R"({"payload":1.0})",
      R"({"payload":{"b":1e2,"a":-0.0,"a":"twice","text":"a\u0000\"\\ \ud83d\ude00 {[,"}})",
      "{\"payload\":{\r\n  \"pretty\": [ 1,\n 2 ]\n}}",
      R"({"payload":[],"priority":9,"tenant":"t \"1\"","key":"k","labels":{"run":"42","x":""}})",
      R"({"payload":null,"timeoutSeconds":7,"ttlSecondsAfterFinished":0,
          "expiresAt":"2100-01-01T00:00:00Z"})",
      R"({"payload":true,"retry":{"maxAttempts":2,"backoff":{"initialSeconds":3}}})",
      R"({"payload":"later","runAt":"2099-12-31T23:59:59.25Z"})",
      R"({"payload":"child","dependsOn":[")" + parent +
          R"("],"onParentFailure":"Run","runAt":"2099-01-01T00:00:00Z"})",
  };
  for (const std::string& body : bodies) enqueue(body);

  ASSERT_EQ(sluice(broker_, {"export", "q", "--file", path("a")}), 0) << err_;
  EXPECT_THAT(err_, HasSubstr("exported 9 jobs"));
  ASSERT_EQ(sluice(other_, {"import", "q", path("a")}), 0) << err_;
  EXPECT_EQ(out_, "imported 9 jobs (0 refused)\n");
  ASSERT_EQ(sluice(other_, {"export", "q", "--output", path("b")}), 0) << err_;

  EXPECT_EQ(read("b"), read("a"));
  EXPECT_THAT(read("a"), HasSubstr(R"("payload":{"b":1e2,"a":-0.0,"a":"twice")"));
  EXPECT_EQ(other_api_.figures()["ready"], 6);
  EXPECT_EQ(other_api_.figures()["blocked"], 1);
}

TEST_F(Transfer, ManyJobsComeInPagesAndTwiceMakesNoneTwice) {
  constexpr int kLarge = 60;  // of which a page holds forty
  constexpr int kSmall = 2'100;
  for (int n = 0; n < kLarge; ++n) api_.enqueue_payload(std::string(100'000, 'x'));
  std::string lines;
  for (int n = 0; n < kSmall; ++n) lines += std::to_string(n) + "\n";
  ASSERT_EQ(sluice(broker_, {"enqueue", "q", "--file", "-"}, lines), 0) << err_;
  int pages = 0;
  EXPECT_EQ(api_.jobs("limit=1000&payload=true", &pages).size(), std::size_t{kLarge + kSmall});
  EXPECT_GE(pages, 4);

  ASSERT_EQ(sluice(broker_, {"export", "q"}), 0) << err_;
  const std::string exported = out_;
  for (int time = 0; time < 2; ++time) {
    ASSERT_EQ(sluice(other_, {"import", "q", "-"}, exported), 0) << err_;
    EXPECT_EQ(other_api_.figures()["ready"], kLarge + kSmall);
  }

  ASSERT_EQ(sluice(other_, {"export", "q"}), 0) << err_;
  EXPECT_TRUE(out_ == exported);
}

TEST_F(Transfer, StatesAreChosenAndDeadLettersLiveAgain) {
  const std::string dead = make_dead("d");
  const std::string running = api_.enqueue_payload("r");
  api_.claim_one("w");
  api_.enqueue_payload("waits");

  ASSERT_EQ(sluice(broker_, {"export", "q", "--state", "Dead,Running"}), 0) << err_;
  ASSERT_EQ(sluice(other_, {"import", "q"}, out_), 0) << err_;

  EXPECT_EQ(other_api_.figures()["ready"], 2);
  EXPECT_EQ(other_api_.job(dead).member("state"), "Ready");
  EXPECT_EQ(other_api_.job(running).member("state"), "Ready");
}

TEST_F(Transfer, ALineThatIsRefusedIsNamedAndTheOthersAreTaken) {
  const std::string lines =
      R"({"id":"0193e5c1-0000-7000-8000-000000000001","payload":1})"
      "\n{\n"
      R"({"payload":2})"
      "\n"
      R"({"id":"0193e5c1-0000-7000-8000-000000000002","payload":3,"priority":10})"
      "\n"
      R"({"id":"0193e5c1-0000-7000-8000-000000000003","payload":4})";

  EXPECT_EQ(sluice(other_, {"import", "q", "-"}, lines), 1);

  EXPECT_EQ(out_, "imported 2 jobs (3 refused)\n");
  for (const char* line : {"line 2: ", "line 3: ", "line 4: "}) EXPECT_THAT(err_, HasSubstr(line));
  EXPECT_EQ(other_api_.figures()["ready"], 2);
}

TEST_F(Transfer, ListsTakeSeveralStates) {
  const std::string dead = make_dead(3);
  api_.enqueue_payload(1);
  enqueue(R"({"payload":2,"delaySeconds":3600})");

  EXPECT_EQ(api_.jobs("state=Ready,Scheduled").size(), 2u);
  EXPECT_EQ(api_.jobs("state=Dead,Scheduled").size(), 2u);
  EXPECT_EQ(api_.jobs("state=Dead").at(0).at("id"), dead);
  EXPECT_EQ(api_.jobs("state=Dead&payload=true").at(0).at("payload"), 3);
  EXPECT_FALSE(api_.jobs("state=Dead").at(0).contains("payload"));
  for (const char* bad : {"state=", "state=Ready,", "state=Lost", "payload=yes",
                          "payload=true&source=Job&sourceUid=u"}) {
    SCOPED_TRACE(bad);
    EXPECT_EQ(api_.get(api_.queue_path() + "/jobs?" + bad).status, 400);
  }
}

}  // namespace
}  // namespace sluice::testing
