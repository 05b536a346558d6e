#include "cli/commands.h"

#include <gmock/gmock.h>

#include "tests/unit/cli/command_fixture.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::problem;
using testing::reply;

class CommandsTest : public testing::CommandTest {};

constexpr const char* kQueues = R"({"queues":[
  {"namespace":"default","queue":"mail","figures":{"ready":1200,"running":3,"dead":1,
   "pressure":"Reject","circuit":"Open","paused":{"enqueue":false,"dispatch":true}},"workers":[{"name":"w-0"}]},
  {"namespace":"other","queue":"far","figures":{},"workers":[]}]})";

TEST_F(CommandsTest, GetQueuesShowsTheNamespaceOnly) {
  transport_.answers.push_back(reply(200, kQueues));

  EXPECT_EQ(execute(GetQueuesCommand{}), ExitCode::kOk);

  EXPECT_EQ(
      out(),
      "NAME  READY  RUNNING  SCHEDULED  DEAD  WORKERS  DONE  OLDEST  PAUSED    PRESSURE  "
      "CIRCUIT\n"
      "mail  1,200        3          0     1        1   0/s       -  dispatch  full      open\n");
}

TEST_F(CommandsTest, GetQueuesOfAllNamespaces) {
  transport_.answers.push_back(reply(200, kQueues));

  EXPECT_EQ(execute(GetQueuesCommand{.all_namespaces = true}), ExitCode::kOk);

  EXPECT_THAT(out(), HasSubstr("other      far"));
}

TEST_F(CommandsTest, GetJobAsksEveryQueueOfTheNamespace) {
  transport_.answers.push_back(reply(200, kQueues));
  transport_.answers.push_back(reply(200, R"({"id":"7","queue":"mail","namespace":"default",
      "state":"Succeeded","attempts":0,"result":{"lines":3}})"));

  EXPECT_EQ(execute(GetJobCommand{.id = "7", .payload = true}), ExitCode::kOk);

  EXPECT_EQ(transport_.requests[1].target,
            "/v1/namespaces/default/queues/mail/jobs/7?payload=true");
  EXPECT_THAT(out(), HasSubstr("State:          Succeeded\n"));
  EXPECT_THAT(out(), HasSubstr("Result:\n  lines: 3\n"));
}

TEST_F(CommandsTest, GetJobWaitsForTheEnd) {
  const auto job = [](const char* state) {
    return reply(200, R"({"id":"7","queue":"mail","state":")" + std::string(state) + "\"}");
  };
  transport_.answers = {job("Ready"), job("Running"), job("Succeeded")};

  EXPECT_EQ(execute(GetJobCommand{.id = "7", .queue = "mail", .wait_seconds = 90}), ExitCode::kOk);

  EXPECT_THAT(transport_.requests.at(1).target, HasSubstr("/jobs/7?waitSeconds=60"));
  EXPECT_THAT(out(), HasSubstr("State:          Succeeded\n"));
}

TEST_F(CommandsTest, GetJobThatDoesNotEndInTimeIsAFailure) {
  transport_.otherwise = [](const http::Request&) {
    return reply(200, R"({"id":"7","queue":"mail","state":"Running"})");
  };

  EXPECT_EQ(execute(GetJobCommand{.id = "7", .queue = "mail", .wait_seconds = 3}),
            ExitCode::kFailed);

  EXPECT_THAT(out(), HasSubstr("State:          Running\n"));
  EXPECT_THAT(err(), HasSubstr("has not ended within 3 s"));
}

TEST_F(CommandsTest, GetJobThatNoQueueHasFails) {
  transport_.answers.push_back(reply(200, kQueues));
  transport_.answers.push_back(problem(404, "not-found", "no such job"));

  EXPECT_EQ(execute(GetJobCommand{.id = "7"}), ExitCode::kFailed);

  EXPECT_THAT(err(), HasSubstr("cannot find job 7"));
}

TEST_F(CommandsTest, GetJobsFollowsCursorsUpToTheLimit) {
  transport_.answers.push_back(reply(200, R"({"jobs":[{"id":"1","state":"Ready"}],"cursor":"c"})"));
  transport_.answers.push_back(reply(200, R"({"jobs":[{"id":"2","state":"Ready"}],"cursor":"d"})"));

  EXPECT_EQ(execute(GetJobsCommand{.queue = "mail", .limit = 2}), ExitCode::kOk);

  ASSERT_EQ(transport_.requests.size(), 2u);
  EXPECT_THAT(transport_.requests[1].target, HasSubstr("limit=1&cursor=c"));
  EXPECT_THAT(err(), HasSubstr("there are more"));
}

TEST_F(CommandsTest, DeadSaysWhyEachJobDied) {
  transport_.answers.push_back(reply(200, R"({"jobs":[{"id":"0193","attempts":5,
      "error":{"reason":"ExitCode","message":"no such file\nat all"}}]})"));

  EXPECT_EQ(execute(DeadCommand{.queue = "mail", .all = true}), ExitCode::kOk);

  EXPECT_THAT(transport_.requests[0].target, HasSubstr("state=Dead"));
  EXPECT_EQ(out(),
            "ID    DIED  ATTEMPTS  REASON    MESSAGE\n"
            "0193     -         5  ExitCode  no such file at all\n");
}

TEST_F(CommandsTest, OnlyATerminalGetsCutLines) {
  const std::string message(300, 'm');
  const auto answer =
      reply(200, R"({"jobs":[{"id":"0193","error":{"message":")" + message + "\"}}]}");
  transport_.answers = {answer, answer};

  EXPECT_EQ(execute(DeadCommand{.queue = "mail", .all = true}), ExitCode::kOk);
  EXPECT_THAT(out(), HasSubstr(message + '\n'));

  out_is_terminal_ = true;
  EXPECT_EQ(execute(DeadCommand{.queue = "mail", .all = true}), ExitCode::kOk);
  EXPECT_THAT(out(), HasSubstr("m…\n"));
}

TEST_F(CommandsTest, ResumeTellsThatTheManifestStillPauses) {
  transport_.answers = {reply(200, R"({"figures":{"paused":{"enqueue":false,"dispatch":false}}})"),
                        reply(200, R"({"figures":{"paused":{"enqueue":false,"dispatch":true}}})")};

  EXPECT_EQ(execute(ResumeCommand{.queue = "mail"}), ExitCode::kOk);
  EXPECT_EQ(execute(ResumeCommand{.queue = "mail"}), ExitCode::kOk);

  EXPECT_EQ(out(),
            "queue mail resumed\n"
            "queue mail still starts no jobs: spec.pause of its manifest says so\n");
}

TEST_F(CommandsTest, TheFieldAtFaultIsNamedOnce) {
  const std::string start = R"({"type":"https://sluice.dev/errors#invalid-argument","status":400,)"
                            R"("field":"priority","detail":")";
  transport_.answers = {reply(400, start + "priority: must be from 0 to 9\"}"),
                        reply(400, start + "must be from 0 to 9\"}")};

  EXPECT_EQ(execute(PauseCommand{.queue = "mail"}), ExitCode::kFailed);
  EXPECT_EQ(execute(PauseCommand{.queue = "mail"}), ExitCode::kFailed);

  const std::string line = "sluice: cannot pause queue mail: priority: must be from 0 to 9\n";
  EXPECT_EQ(err(), line + line);
}

TEST_F(CommandsTest, PauseWithoutFlagsMeansBoth) {
  transport_.answers.push_back(reply(200, "{}"));

  EXPECT_EQ(execute(PauseCommand{.queue = "mail"}), ExitCode::kOk);

  EXPECT_EQ(transport_.requests[0].body, R"({"enqueue":true,"dispatch":true})");
}

TEST_F(CommandsTest, AGroupIsShown) {
  transport_.answers.push_back(reply(
      200,
      R"({"id":"g","total":3,"pending":1,"succeeded":1,"dead":1,"cancelled":0,"open":false})"));

  EXPECT_EQ(execute(GetGroupCommand{.queue = "mail", .id = "g"}), ExitCode::kOk);

  EXPECT_THAT(out(), HasSubstr("Pending:        1\n"));
  EXPECT_EQ(transport_.requests[0].target, "/v1/namespaces/default/queues/mail/groups/g");
}

TEST_F(CommandsTest, RedriveByReason) {
  transport_.answers.push_back(
      reply(202, R"({"id":"r","state":"Done","selected":3,"redriven":3})"));

  EXPECT_EQ(execute(RedriveCommand{.queue = "mail", .reason = "Timeout"}), ExitCode::kOk);

  EXPECT_THAT(transport_.requests[0].body, HasSubstr(R"("filter":{"reason":"Timeout"})"));
  EXPECT_EQ(out(), "redriven 3 dead letters of queue mail\n");
}

TEST_F(CommandsTest, RedriveIsFollowedToItsEnd) {
  transport_.answers = {reply(202, R"({"id":"r","state":"Running","selected":3,"redriven":1})"),
                        reply(200, R"({"id":"r","state":"Running","selected":3,"redriven":2})"),
                        reply(200, R"({"id":"r","state":"Done","selected":3,"redriven":2})")};

  EXPECT_EQ(execute(RedriveCommand{.queue = "mail", .per_second = 1}), ExitCode::kOk);

  ASSERT_EQ(transport_.requests.size(), 3u);
  EXPECT_THAT(transport_.requests[0].body, HasSubstr(R"("perSecond":1)"));
  EXPECT_THAT(transport_.requests[2].target, HasSubstr("/queues/mail/redrives/r"));
  EXPECT_EQ(out(), "redriven 2 dead letters of queue mail\n");
  EXPECT_THAT(err(), HasSubstr("1 were gone"));
}

TEST_F(CommandsTest, RedriveIsStartedAndStopped) {
  transport_.answers = {reply(202, R"({"id":"r","state":"Running","selected":3,"redriven":1})"),
                        reply(200, R"({"id":"r","state":"Cancelled","selected":3,"redriven":1})")};

  EXPECT_EQ(execute(RedriveCommand{.queue = "mail", .no_wait = true}), ExitCode::kOk);
  EXPECT_EQ(execute(RedriveCommand{.queue = "mail", .stop = "r"}), ExitCode::kOk);

  EXPECT_EQ(transport_.requests.at(1).method, "DELETE");
  EXPECT_EQ(out(),
            "redrive r of queue mail: 3 dead letters selected\n"
            "redriven 1 dead letter of queue mail\n");
}

TEST_F(CommandsTest, RunAndRescheduleSayWhenTheJobIsDue) {
  transport_.answers = {
      reply(200, R"({"id":"1","state":"Ready","dueAt":"2026-11-22T16:00:00Z"})"),
      reply(200, R"({"id":"1","state":"Scheduled","dueAt":"2026-11-22T17:00:00Z"})")};

  EXPECT_EQ(execute(RunCommand{"mail", "1"}), ExitCode::kOk);
  EXPECT_EQ(execute(RescheduleCommand{.queue = "mail", .id = "1", .delay_seconds = 3600}),
            ExitCode::kOk);

  EXPECT_THAT(transport_.requests.at(0).target, HasSubstr("/queues/mail/jobs/1:run"));
  EXPECT_THAT(transport_.requests.at(1).target, HasSubstr("/queues/mail/jobs/1:reschedule"));
  EXPECT_EQ(transport_.requests.at(1).body, R"({"delaySeconds":3600})");
  EXPECT_EQ(out(),
            "job 1 is Ready, due 2026-11-22T16:00:00Z\n"
            "job 1 is Scheduled, due 2026-11-22T17:00:00Z\n");
}

TEST_F(CommandsTest, PurgeAsksFirst) {
  EXPECT_EQ(execute(PurgeCommand{.queue = "mail"}), ExitCode::kUsage);
  EXPECT_TRUE(transport_.requests.empty());
}

TEST_F(CommandsTest, CancelTellsWaitingFromRunning) {
  transport_.answers.push_back(reply(200, R"({"id":"1","state":"Cancelled"})"));
  transport_.answers.push_back(reply(202, R"({"id":"1","state":"Running"})"));
  transport_.answers.push_back(reply(200, R"({"id":"1","state":"Succeeded"})"));
  const CancelCommand cancel{.queue = "mail", .id = "1"};

  EXPECT_EQ(execute(cancel), ExitCode::kOk);
  EXPECT_EQ(execute(cancel), ExitCode::kOk);
  EXPECT_EQ(execute(cancel), ExitCode::kOk);

  EXPECT_EQ(out(),
            "job 1 is cancelled\njob 1 is running and was asked to stop\n"
            "job 1 had already ended: Succeeded\n");
}

TEST_F(CommandsTest, CancelByLabelsFollowsCursors) {
  transport_.answers = {reply(200, R"({"cancelled":1000,"stopping":1,"cursor":"c"})"),
                        reply(200, R"({"cancelled":5,"stopping":0})")};

  EXPECT_EQ(execute(CancelCommand{.queue = "mail", .labels = {{"run", "42"}}}), ExitCode::kOk);

  ASSERT_EQ(transport_.requests.size(), 2u);
  EXPECT_THAT(transport_.requests[0].target, HasSubstr("/queues/mail/jobs:cancel"));
  EXPECT_EQ(transport_.requests[0].body, R"({"filter":{"labels":{"run":"42"}}})");
  EXPECT_THAT(transport_.requests[1].body, HasSubstr(R"("cursor":"c")"));
  EXPECT_EQ(out(), "1,005 cancelled, 1 running and asked to stop\n");
}

TEST_F(CommandsTest, WatchShowsTheQueueAskedForAndSkipsKeepAlives) {
  transport_.lines = {
      "{}",
      R"({"namespace":"default","queue":"mail","figures":{"ready":2},"workers":[]})",
      R"({"namespace":"default","queue":"other","figures":{"ready":3},"workers":[]})",
  };

  EXPECT_EQ(execute(WatchCommand{.queue = "mail"}), ExitCode::kUnreachable);

  EXPECT_THAT(out(), HasSubstr("mail ready=2 running=0"));
  EXPECT_THAT(out(), Not(HasSubstr("other")));
}

TEST_F(CommandsTest, WatchShowsTheEndsOfJobs) {
  transport_.lines = {
      "event: Dead",
      R"(data: {"id":"7","state":"Dead","finishedAt":"2026-01-01T00:00:00Z","reason":"ExitCode"})",
      "", ":"};

  EXPECT_EQ(execute(WatchCommand{.queue = "mail", .jobs = true}), ExitCode::kUnreachable);

  EXPECT_THAT(transport_.requests.at(1).target, HasSubstr("/queues/mail/events"));
  EXPECT_EQ(out(), "2026-01-01T00:00:00Z 7 Dead ExitCode\n");
}

TEST_F(CommandsTest, AQueueThatIsNotThereIsNotWatched) {
  transport_.answers.push_back(problem(404, "not-found", "no queue default/nope"));

  EXPECT_EQ(execute(WatchCommand{.queue = "nope"}), ExitCode::kFailed);

  EXPECT_THAT(err(), HasSubstr("cannot watch queue nope"));
}

TEST_F(CommandsTest, ResourcesNeedTheDataFolderOfLocalMode) {
  EXPECT_EQ(execute(GetResourcesCommand{.data_folder = "/no/such"}), ExitCode::kFailed);
  EXPECT_THAT(err(), HasSubstr("--data"));
}

TEST_F(CommandsTest, AnAnswerThatIsNotJsonIsNotABroker) {
  transport_.answers.push_back(reply(200, "<html>"));

  EXPECT_EQ(execute(GetQueuesCommand{}), ExitCode::kFailed);

  EXPECT_THAT(err(), HasSubstr("check --server"));
}

}  // namespace
}  // namespace sluice::cli
