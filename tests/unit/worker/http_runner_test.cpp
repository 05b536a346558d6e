#include "worker/http_runner.h"

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

#include "tests/support/loopback_server.h"

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;
using testing::LoopbackPeer;
using testing::LoopbackServer;
using testing::ReceivedRequest;

constexpr auto kPatience = 20s;

// A runner, and what it told.
class Rig {
 public:
  explicit Rig(int port, std::size_t result_bytes_max = 1000, bool posts_parents = false)
      : runner_({.port = port,
                 .path = "/run?x=1",
                 .queue = "mail",
                 .result_bytes_max = result_bytes_max,
                 .posts_parents = posts_parents},
                clock_,
                {.on_progress = [](const std::string&, api::Progress) {},
                 .on_end =
                     [this](const api::ClaimedJob& job, std::optional<RunOutcome> outcome) {
                       const std::scoped_lock lock(mutex_);
                       ended_[job.id] = std::move(outcome);
                       changed_.notify_all();
                     },
                 .on_startable =
                     [this](bool can_start) {
                       const std::scoped_lock lock(mutex_);
                       startable_.push_back(can_start);
                       changed_.notify_all();
                     }}) {}

  HttpRunner& runner() { return runner_; }

  void start(const std::string& id, int timeout_seconds = 60) {
    runner_.start({.id = id,
                   .lease = "l",
                   .attempt = 3,
                   .payload = R"({"to": "ü"})",
                   .parents_json = R"({"p": 1.0e0})",
                   .timeout_seconds = timeout_seconds,
                   .deadline = "2026-11-22T16:00:00Z",
                   .traceparent = "00-1-2-01"});
  }

  // The outcome of the job; a CHECK of the test that none came in time.
  std::optional<RunOutcome> wait_for(const std::string& id) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return ended_.contains(id); })) << id;
    return ended_[id];
  }
  std::optional<RunOutcome> run(const std::string& id) {
    start(id);
    return wait_for(id);
  }
  bool wait_for_startable(bool can_start) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience,
                             [&] { return !startable_.empty() && startable_.back() == can_start; });
  }

 private:
  SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::optional<RunOutcome>> ended_;
  std::vector<bool> startable_;
  HttpRunner runner_;
};

std::string reason_of(const std::optional<RunOutcome>& outcome) {
  return outcome && outcome->error ? outcome->error->reason : "";
}

// Answers every request with these bytes, and keeps the connection.
LoopbackServer::Serve always(std::string bytes) {
  return [bytes](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    while (peer.read_request(request) && peer.write(bytes)) {
    }
  };
}

const std::string kEmptyReply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

// Remembers what came, and a way to hold replies back.
class Recorder {
 public:
  void take(const ReceivedRequest& request) {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(request);
    changed_.notify_all();
  }
  ReceivedRequest wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return requests_.size() >= count; }));
    return requests_.size() < count ? ReceivedRequest{} : requests_[count - 1];
  }
  std::size_t count() {
    const std::scoped_lock lock(mutex_);
    return requests_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ReceivedRequest> requests_;
};

// Takes one request a connection and never answers; returns when the client hangs up.
LoopbackServer::Serve silent(Recorder& recorder) {
  return [&recorder](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    if (!peer.read_request(request)) return;
    recorder.take(request);
    peer.wait_until_readable();
  };
}

TEST(HttpRunner, PostsThePayloadAndTheFactsOfTheJob) {
  Recorder recorder;
  LoopbackServer server([&](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    while (peer.read_request(request)) {
      recorder.take(request);
      peer.reply(200, "[1]");
    }
  });
  Rig rig(server.port());

  const auto outcome = rig.run("j1");

  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->outcome, api::Outcome::kSucceeded);
  EXPECT_EQ(outcome->result_json, "[1]");
  ReceivedRequest request = recorder.wait_for(1);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/run?x=1");
  EXPECT_EQ(request.body, R"({"to": "ü"})");
  EXPECT_EQ(request.headers["content-type"], "application/json");
  EXPECT_EQ(request.headers["sluice-job-id"], "j1");
  EXPECT_EQ(request.headers["sluice-queue"], "mail");
  EXPECT_EQ(request.headers["sluice-attempt"], "3");
  EXPECT_EQ(request.headers["sluice-deadline"], "2026-11-22T16:00:00Z");
  EXPECT_EQ(request.headers["traceparent"], "00-1-2-01");
}

TEST(HttpRunner, PostsTheParentsResultsWhereItIsAskedTo) {
  Recorder recorder;
  LoopbackServer server([&](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    while (peer.read_request(request)) {
      recorder.take(request);
      peer.reply(200, "");
    }
  });
  Rig rig(server.port(), 1000, /*posts_parents=*/true);

  rig.run("j");

  EXPECT_EQ(recorder.wait_for(1).body, R"({"payload":{"to": "ü"},"parents":{"p": 1.0e0}})");
}

std::string outcome_reply(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.sluice.outcome+json\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(HttpRunner, AnOutcomeMayBeLargerThanAResult) {
  const std::string job = R"({"payload":")" + std::string(100'000, 'x') + R"("})";
  LoopbackServer server(always(outcome_reply(R"({"result":1,"enqueue":[)" + job + "]}")));
  Rig rig(server.port());

  for (const char* id : {"a", "b"}) {  // on one connection
    const auto outcome = rig.run(id);

    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->result_json, "1");
    EXPECT_EQ(outcome->follow_ups, FollowUps{job});
  }
  EXPECT_EQ(server.connections(), 2);  // with the look whether it is there
}

TEST(HttpRunner, AnOutcomeIsBoundedAllTheSame) {
  LoopbackServer server(always(outcome_reply(std::string(9'000'000, ' '))));
  Rig rig(server.port());

  const auto outcome = rig.run("j");

  EXPECT_EQ(reason_of(outcome), "BadFollowUp");
  EXPECT_EQ(outcome->error->message, "the reply has more than 8393704 bytes");
}

TEST(HttpRunner, OneConnectionCarriesJobAfterJob) {
  Recorder recorder;
  std::atomic<int> connection_of_last{-1};
  LoopbackServer server([&](LoopbackPeer& peer, int number) {
    ReceivedRequest request;
    while (peer.read_request(request)) {
      recorder.take(request);
      const int before = connection_of_last.exchange(number);
      peer.reply(before == -1 || before == number ? 200 : 500, "");
    }
  });
  Rig rig(server.port());

  for (const char* id : {"a", "b", "c"}) {
    EXPECT_EQ(rig.run(id)->outcome, api::Outcome::kSucceeded) << id;
  }
}

TEST(HttpRunner, WhatTheServerSendsDecides) {
  struct Case {
    const char* name;
    std::string bytes;
    const char* reason;
    const char* result;
  };
  const Case cases[] = {
      {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n17\r\n0\r\n\r\n", "",
       "17"},
      {"an interim reply first", "HTTP/1.1 102 Processing\r\n\r\n" + kEmptyReply, "", "null"},
      {"more than the limit",
       "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + std::string(70000, '1'),
       "ResultTooLarge", ""},
      {"more than the limit, in chunks",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" + std::string(70000, '1') +
           "\r\n0\r\n\r\n",
       "ResultTooLarge", ""},
      {"an error with a large page",
       "HTTP/1.1 500 No\r\nContent-Length: 70000\r\n\r\n" + std::string(70000, 'x'), "HttpStatus",
       ""},
      {"a redirect", "HTTP/1.1 307 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "HttpStatus",
       ""},
      {"a switch of protocols", "HTTP/1.1 101 Go\r\n\r\n", "HttpStatus", ""},
      {"no HTTP", "hello there, this is not a status line\r\n\r\n", "BadResponse", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    LoopbackServer server(always(c.bytes));
    Rig rig(server.port());

    const auto outcome = rig.run("j");

    ASSERT_TRUE(outcome);
    EXPECT_EQ(reason_of(outcome), c.reason);
    EXPECT_EQ(outcome->result_json, c.result);
  }
}

TEST(HttpRunner, ABodyThatEndsWithTheConnectionIsWhole) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    if (peer.read_request(request)) peer.write("HTTP/1.0 200 OK\r\n\r\n{\"done\": true}");
  });
  Rig rig(server.port());

  EXPECT_EQ(rig.run("a")->result_json, "{\"done\": true}");
  EXPECT_EQ(rig.run("b")->result_json, "{\"done\": true}");
}

TEST(HttpRunner, ARefusedConnectionHandsTheJobBack) {
  Rig rig(testing::unused_port());
  ASSERT_TRUE(rig.wait_for_startable(false));

  EXPECT_EQ(rig.run("j")->outcome, api::Outcome::kReleased);
}

TEST(HttpRunner, JobsCanStartWhileThePortAcceptsConnections) {
  const int port = testing::unused_port();
  Rig rig(port);
  ASSERT_TRUE(rig.wait_for_startable(false));

  auto server = std::make_unique<LoopbackServer>(always(kEmptyReply), port);
  EXPECT_TRUE(rig.wait_for_startable(true));
  EXPECT_EQ(rig.run("j")->outcome, api::Outcome::kSucceeded);

  server.reset();
  EXPECT_TRUE(rig.wait_for_startable(false));
}

// SURVIVAL 23: such a job must spend attempts, not be handed back for ever.
TEST(HttpRunner, AServerThatGoesAwayWithTheJobHasFailedIt) {
  LoopbackServer server([](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    while (peer.read_request(request) && request.headers["sluice-job-id"] != "fatal") {
      peer.reply(200, "");
    }
  });
  Rig rig(server.port());

  EXPECT_EQ(reason_of(rig.run("fatal")), "ConnectionLost");  // on a new connection
  EXPECT_EQ(rig.run("j")->outcome, api::Outcome::kSucceeded);
  EXPECT_EQ(reason_of(rig.run("fatal")), "ConnectionLost");  // on one that is kept
}

TEST(HttpRunner, ATimeoutEndsTheRequest) {
  Recorder recorder;
  LoopbackServer server(silent(recorder));
  Rig rig(server.port());

  rig.start("j", /*timeout_seconds=*/1);

  const auto outcome = rig.wait_for("j");
  EXPECT_EQ(reason_of(outcome), "Timeout");
  EXPECT_EQ(outcome->error->message, "ran longer than 1 s");
}

TEST(HttpRunner, ACancelledJobsConnectionIsClosed) {
  Recorder recorder;
  std::promise<void> hung_up;
  LoopbackServer server([&](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    if (!peer.read_request(request)) return;
    recorder.take(request);
    if (peer.wait_until_readable()) hung_up.set_value();
  });
  Rig rig(server.port());
  rig.start("j");
  recorder.wait_for(1);

  rig.runner().cancel("j");

  EXPECT_EQ(reason_of(rig.wait_for("j")), "Cancelled");
  EXPECT_EQ(hung_up.get_future().wait_for(kPatience), std::future_status::ready);
}

TEST(HttpRunner, ALostLeaseLeavesNothingToSay) {
  Recorder recorder;
  LoopbackServer server(silent(recorder));
  Rig rig(server.port());
  rig.start("j");
  recorder.wait_for(1);

  rig.runner().lose("j");

  EXPECT_FALSE(rig.wait_for("j"));
}

TEST(HttpRunner, WhatIsLeftWhenTheWorkerMustGoIsHandedBack) {
  Recorder recorder;
  LoopbackServer server(silent(recorder));
  Rig rig(server.port());
  rig.start("a");
  rig.start("b");
  recorder.wait_for(2);

  rig.runner().terminate_all();
  rig.runner().kill_all();

  EXPECT_EQ(rig.wait_for("a")->outcome, api::Outcome::kReleased);
  EXPECT_EQ(rig.wait_for("b")->outcome, api::Outcome::kReleased);
}

TEST(HttpRunner, AServerThatIsToldToEndMayStillFinish) {
  Recorder recorder;
  std::promise<void> go;
  auto went = go.get_future().share();
  LoopbackServer server([&](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    if (!peer.read_request(request)) return;
    recorder.take(request);
    went.wait();
    peer.reply(request.headers["sluice-job-id"] == "done" ? 200 : 503, "");
  });
  Rig rig(server.port());
  rig.start("done");
  rig.start("refused");
  recorder.wait_for(2);

  rig.runner().terminate_all();
  // A job that begins afterwards shows that the call above was acted on.
  rig.start("late");
  recorder.wait_for(3);
  go.set_value();

  EXPECT_EQ(rig.wait_for("done")->outcome, api::Outcome::kSucceeded);
  EXPECT_EQ(rig.wait_for("refused")->outcome, api::Outcome::kReleased);
  EXPECT_EQ(reason_of(rig.wait_for("late")), "HttpStatus");
}

TEST(HttpRunner, ManyJobsRunAtOnce) {
  constexpr std::size_t kJobs = 200;
  Recorder recorder;
  std::promise<void> go;
  auto went = go.get_future().share();
  LoopbackServer server([&](LoopbackPeer& peer, int) {
    ReceivedRequest request;
    while (peer.read_request(request)) {
      recorder.take(request);
      went.wait();
      peer.reply(200, request.headers["sluice-attempt"]);
    }
  });
  Rig rig(server.port());

  for (std::size_t i = 0; i < kJobs; ++i) rig.start(std::to_string(i));
  recorder.wait_for(kJobs);
  go.set_value();

  for (std::size_t i = 0; i < kJobs; ++i) {
    EXPECT_EQ(rig.wait_for(std::to_string(i))->result_json, "3");
  }
}

TEST(HttpRunner, EndsWithJobsUnderWay) {
  Recorder recorder;
  LoopbackServer server(silent(recorder));
  Rig rig(server.port());
  rig.start("j");

  recorder.wait_for(1);
}

}  // namespace
}  // namespace sluice::worker
