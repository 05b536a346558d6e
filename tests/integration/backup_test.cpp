// Backups of a broker that is used, and what a broker on a restored one knows.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "tests/integration/api_client.h"
#include "tests/integration/broker_process.h"
#include "tests/support/environment.h"
#include "tests/support/eventually.h"
#include "tests/support/temporary_folder.h"

namespace sluice::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kProducers = 3;
constexpr int kWorkers = 2;
constexpr std::size_t kJobsBetween = kSanitized ? 30 : 200;
constexpr int kBackups = 3;
constexpr int kBlows = kSanitized ? 3 : 10;

// What the clients of a broker were told.
struct Told {
  std::set<std::string> enqueued;
  std::set<std::string> settled;
  std::set<std::string> leases;
};

// Producers and workers of the queue "q", until it is destroyed or the broker is gone.
class Load {
 public:
  explicit Load(const std::string& url) {
    for (int i = 0; i < kProducers; ++i) threads_.emplace_back([this, url] { produce(url); });
    for (int i = 0; i < kWorkers; ++i) threads_.emplace_back([this, url] { work(url); });
  }
  ~Load() { stop(); }

  void stop() {
    stops_ = true;
    threads_.clear();
  }
  Told told() const {
    const std::scoped_lock lock(mutex_);
    return told_;
  }

 private:
  void produce(const std::string& url) {
    ApiClient api(url);
    for (int n = 0; !stops_; ++n) {
      const std::string id = api.enqueue_payload({{"n", n}, {"text", std::string(500, 'x')}});
      const std::scoped_lock lock(mutex_);
      if (!id.empty()) told_.enqueued.insert(id);
    }
  }
  void work(const std::string& url) {
    ApiClient api(url);
    while (!stops_) {
      Json claimed = api.claim_one("w", 1);
      if (claimed.is_null()) continue;
      {
        const std::scoped_lock lock(mutex_);
        told_.leases.insert(claimed["lease"]);
      }
      Json settled = api.settle(claimed, "Succeeded", {{"result", claimed["payload"]["n"]}});
      const std::scoped_lock lock(mutex_);
      if (settled.is_object() && settled.value("status", "") == "ok") {
        told_.settled.insert(claimed["id"]);
      }
    }
  }

  mutable std::mutex mutex_;
  Told told_;
  std::atomic<bool> stops_ = false;
  std::vector<std::jthread> threads_;
};

class BackupTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(api_.put_queue({{"leaseSeconds", 60}}).status, 200); }
  void TearDown() override {
    if (HasFailure()) std::cerr << broker_.process().report();
  }

  Reply create(const std::string& name) {
    return api_.send("POST", "/v1/backups", Json{{"name", name}}.dump());
  }
  std::vector<std::string> listed() {
    std::vector<std::string> names;
    for (const Json& backup : api_.get("/v1/backups").member("backups")) {
      names.push_back(backup["name"]);
    }
    return names;
  }
  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }

  // How `sluice-broker restore` ended.
  int restore(const std::string& name, const std::filesystem::path& data) {
    ChildProcess process({.argv = {program_path("sluice-broker").string(), "restore", "--backup",
                                   (path("backups") / name).string(), "--data", data.string()}});
    const auto end = process.wait();
    said_ = process.output() + process.errors();
    return end && end->exit_code ? *end->exit_code : -1;
  }

  TemporaryFolder folder_;
  BrokerProcess broker_{path("data"), {"--backup-dir", path("backups").string()}};
  ApiClient api_{broker_.url()};
  std::string said_;
};

TEST_F(BackupTest, HoldsAllThatWasAcknowledgedBeforeAndRestoredMakesNothingAgain) {
  std::vector<Told> before;
  Told after;
  {
    Load load(broker_.url());
    for (int i = 0; i < kBackups; ++i) {
      const std::size_t due = kJobsBetween * static_cast<std::size_t>(i + 1);
      ASSERT_TRUE(eventually([&] { return load.told().settled.size() >= due; }));
      before.push_back(load.told());
      const Reply made = create("b" + std::to_string(i));
      ASSERT_EQ(made.status, 201) << made.text;
    }
    const std::size_t end = load.told().settled.size() + kJobsBetween;
    ASSERT_TRUE(eventually([&] { return load.told().settled.size() >= end; }));
    broker_.kill9();
    load.stop();
    after = load.told();
  }

  for (std::size_t i = 0; i < before.size(); ++i) {
    SCOPED_TRACE(i);
    const std::filesystem::path data = path("restored" + std::to_string(i));
    ASSERT_EQ(restore("b" + std::to_string(i), data), 0) << said_;
    BrokerProcess restored(data);
    ApiClient api(restored.url());
    std::map<std::string, std::string> states;
    for (Json& job : api.jobs("limit=1000")) states[job["id"]] = job["state"];

    for (const std::string& id : before[i].enqueued) EXPECT_TRUE(states.contains(id)) << id;
    for (const std::string& id : before[i].settled) EXPECT_EQ(states[id], "Succeeded") << id;
    for (int n = 0; n < 50; ++n) {
      EXPECT_FALSE(after.enqueued.contains(api.enqueue_payload(n)));
      Json claimed = api.claim_one("w");
      EXPECT_FALSE(after.leases.contains(claimed["lease"].get<std::string>()));
    }
  }
}

TEST_F(BackupTest, ALeaseThatIsInItIsGoodAndALaterOneIsNot) {
  api_.enqueue_payload(1);
  api_.enqueue_payload(2);
  const Json held = api_.claim_one("w");
  ASSERT_EQ(create("b").status, 201);
  const Json later = api_.claim_one("w");
  broker_.kill9();
  ASSERT_EQ(restore("b", path("new")), 0) << said_;

  BrokerProcess restored(path("new"));
  ApiClient api(restored.url());

  EXPECT_EQ(api.settle(held, "Succeeded")["status"], "ok");
  EXPECT_EQ(api.settle(later, "Succeeded")["error"]["status"], 409);
  EXPECT_EQ(api.claim_one("w")["id"], later["id"]);
}

TEST_F(BackupTest, ThatIsCutOffByKillIsNotListed) {
  for (int blow = 0; blow < kBlows; ++blow) {
    SCOPED_TRACE(blow);
    for (int n = 0; n < 30; ++n) api_.enqueue_payload(std::string(100'000, 'x'));
    const std::string name = "b" + std::to_string(blow);
    std::jthread client([url = broker_.url(), name] {
      ApiClient(url).send("POST", "/v1/backups", Json{{"name", name}}.dump());
    });
    const auto begun = [&] {
      return std::filesystem::exists(path("backups") / (".making-" + name)) ||
             std::filesystem::exists(path("backups") / name);
    };
    ASSERT_TRUE(eventually(begun, kPatience, std::chrono::milliseconds{1}));
    broker_.kill9();
    client.join();
    const bool is_whole = std::filesystem::exists(path("backups") / name);
    broker_.start();

    const auto names = listed();
    EXPECT_EQ(std::count(names.begin(), names.end(), name), is_whole ? 1 : 0);
    EXPECT_FALSE(std::filesystem::exists(path("backups") / (".making-" + name)));
    if (is_whole) {
      EXPECT_EQ(restore(name, path("restored-" + name)), 0) << said_;
    }
  }
  // The store itself is none the worse.
  EXPECT_EQ(api_.jobs("limit=1000").size(), 30u * kBlows);
  EXPECT_EQ(create("last").status, 201);
  EXPECT_EQ(restore("last", path("restored")), 0) << said_;
}

TEST_F(BackupTest, IsListedUntilItIsDeleted) {
  api_.enqueue_payload(1);
  Reply made = api_.send("POST", "/v1/backups");
  ASSERT_EQ(made.status, 201) << made.text;
  const std::string name = made.body["name"];
  EXPECT_EQ(made.headers["location"], "/v1/backups/" + name);
  EXPECT_GT(made.body["bytes"], 0);

  EXPECT_EQ(create(name).status, 409);
  EXPECT_EQ(create("../b").status, 400);
  EXPECT_EQ(create("../b").member("field"), "name");
  EXPECT_EQ(create(".b").status, 400);
  EXPECT_EQ(api_.send("POST", "/v1/backups", R"({"nam":"b"})").status, 400);
  EXPECT_EQ(api_.get("/v1/backups?x=1").status, 400);
  broker_.terminate();
  broker_.start();
  EXPECT_THAT(listed(), ::testing::ElementsAre(name));

  EXPECT_EQ(api_.send("DELETE", "/v1/backups/" + name).status, 200);
  EXPECT_EQ(api_.send("DELETE", "/v1/backups/" + name).status, 404);
  EXPECT_EQ(api_.send("DELETE", "/v1/backups/..%2Fdata").status, 404);
  EXPECT_THAT(listed(), IsEmpty());
  EXPECT_EQ(api_.job("none").status, 404);  // it still serves
}

TEST_F(BackupTest, MayStandInTheVolumeThatIsRestored) {
  const std::filesystem::path volume = path("volume");
  const std::string backups = (volume / "backups").string();
  std::string id;
  {
    BrokerProcess broker(volume, {"--backup-dir", backups});
    ApiClient api(broker.url());
    ASSERT_EQ(api.put_queue(Json::object()).status, 200);
    id = api.enqueue_payload(1);
    ASSERT_EQ(api.send("POST", "/v1/backups", R"({"name":"b"})").status, 201);
    api.enqueue_payload(2);
    broker.kill9();
    broker.start();
    ASSERT_EQ(api.jobs("").size(), 2u);
    broker.terminate();
  }
  EXPECT_EQ(restore("../volume/backups/b", volume), 1);
  EXPECT_THAT(said_, HasSubstr("not empty"));
  for (const auto& entry : std::filesystem::directory_iterator(volume)) {
    if (entry.path().filename() != "backups") std::filesystem::remove_all(entry.path());
  }
  ASSERT_EQ(restore("../volume/backups/b", volume), 0) << said_;

  BrokerProcess broker(volume, {"--backup-dir", backups});
  ApiClient api(broker.url());
  ASSERT_EQ(api.jobs("").size(), 1u);
  EXPECT_EQ(api.jobs("")[0]["id"], id);
}

TEST(BackupOptions, WithoutAFolderTheMissingOptionIsNamed) {
  const TemporaryFolder folder;
  BrokerProcess broker(folder.path() / "data");
  ApiClient api(broker.url());

  for (const auto& [method, target] :
       {std::pair{"POST", "/v1/backups"}, {"GET", "/v1/backups"}, {"DELETE", "/v1/backups/b"}}) {
    SCOPED_TRACE(method);
    const Reply reply = api.send(method, target);
    EXPECT_EQ(reply.status, 409);
    EXPECT_THAT(reply.text, HasSubstr("--backup-dir"));
  }
}

TEST(BackupOptions, TheFolderIsAnotherThanTheJobs) {
  const TemporaryFolder folder;
  auto start = BrokerProcess::command("127.0.0.1:0", folder.path());
  start.argv.insert(start.argv.end(), {"--backup-dir", folder.path().string() + "/."});
  ChildProcess process(start);

  const auto end = process.wait();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 2);
  EXPECT_THAT(process.errors() + process.output(), HasSubstr("--backup-dir"));
}

}  // namespace
}  // namespace sluice::testing
