#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/job_line.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/cli/command_fixture.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::problem;
using testing::reply;

TEST(JobLine, HoldsWhatEnqueuesTheJobAgain) {
  struct Case {
    const char* name;
    const char* job;
    const char* want;
  };
  const Case cases[] = {
      {"ready",
       R"({"id":"7","namespace":"n","queue":"q","state":"Ready","attempts":2,"priority":5,
           "createdAt":"c","dueAt":"d","key":"k","tenant":"t","labels":{"a":"1"},"expiresAt":"e",
           "timeoutSeconds":3,"ttlSecondsAfterFinished":4,"retry":{"maxAttempts":1},
           "history":[{}],"dependsOn":["6"],"onParentFailure":"Dead","payload":1.0})",
       R"({"id":"7","priority":5,"expiresAt":"e","tenant":"t","key":"k","labels":{"a":"1"},)"
       R"("retry":{"maxAttempts":1},"timeoutSeconds":3,"ttlSecondsAfterFinished":4,"payload":1.0})"},
      {"scheduled", R"({"id":"7","state":"Scheduled","dueAt":"d","payload":{"state":"Ready"}})",
       R"({"id":"7","runAt":"d","payload":{"state":"Ready"}})"},
      {"blocked",
       R"({"id":"7","state":"Blocked","dueAt":"d","dependsOn":["6"],"onParentFailure":"Run",
           "payload":0})",
       R"({"id":"7","runAt":"d","dependsOn":["6"],"onParentFailure":"Run","payload":0})"},
      {"of a schedule",
       R"({"id":"7","state":"Running","schedule":{"uid":"u","tick":"t"},"payload":0})",
       R"({"id":"7","payload":0})"},
      {"over several lines", "{\"id\":\"7\",\"state\":\"Ready\",\"payload\":[\r\n1]}",
       R"({"id":"7","payload":[  1]})"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(export_line(c.job), c.want);
  }
  EXPECT_EQ(export_line(R"({"id":"7","state":"Succeeded"})"), std::nullopt);
}

TEST(JobLine, IsTakenWithAnIdAndAPayloadAlone) {
  EXPECT_EQ(*import_body(R"({"id":"7","payload":1.0})"), R"({"id":"7","payload":1.0})");
  for (const char* bad : {"{", "1", "[]", "{}", R"({"id":"7"})", R"({"payload":1})"}) {
    const auto body = import_body(bad);
    ASSERT_FALSE(body) << bad;
    EXPECT_EQ(body.error().code, ErrorCode::kInvalidArgument);
  }
}

class TransferTest : public testing::CommandTest {};

TEST_F(TransferTest, ExportFollowsTheCursorAndWaitsForABusyServer) {
  transport_.answers.push_back(problem(503, "unavailable", "draining"));
  transport_.answers.push_back(
      reply(200, R"({"jobs":[{"id":"1","state":"Ready","payload":1}],"cursor":"c-1"})"));
  transport_.answers.push_back(reply(
      200, R"({"jobs":[{"id":"2","state":"Ready","payload":2},{"id":"3","state":"Ready"}]})"));

  EXPECT_EQ(execute(ExportCommand{.queue = "mail"}), ExitCode::kOk);

  EXPECT_EQ(out(), "{\"id\":\"1\",\"payload\":1}\n{\"id\":\"2\",\"payload\":2}\n");
  EXPECT_THAT(err(), HasSubstr("exported 2 jobs"));
  ASSERT_EQ(transport_.requests.size(), 3u);
  EXPECT_EQ(transport_.requests[1].target,
            "/v1/namespaces/default/queues/mail/jobs?limit=1000&state="
            "Blocked%2CScheduled%2CReady%2CRunning&payload=true");
  EXPECT_THAT(transport_.requests[2].target, HasSubstr("&cursor=c-1"));
}

TEST_F(TransferTest, ExportWritesAFile) {
  const sluice::testing::TemporaryFolder folder;
  const std::string file = folder.path() / "mail.ndjson";
  transport_.answers.push_back(reply(200, R"({"jobs":[{"id":"1","state":"Ready","payload":1}]})"));

  EXPECT_EQ(execute(ExportCommand{.queue = "mail", .file = file}), ExitCode::kOk);

  std::ifstream in(file);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "{\"id\":\"1\",\"payload\":1}\n");
  EXPECT_EQ(out(), "");
}

TEST_F(TransferTest, AnExportThatIsCutOffSaysSo) {
  transport_.answers.push_back(
      reply(200, R"({"jobs":[{"id":"1","state":"Ready","payload":1}],"cursor":"c"})"));
  transport_.answers.push_back(problem(404, "not-found", "there is no such queue"));

  EXPECT_EQ(execute(ExportCommand{.queue = "mail"}), ExitCode::kFailed);

  EXPECT_THAT(err(), HasSubstr("export queue mail"));
  EXPECT_THAT(err(), Not(HasSubstr("exported")));
}

TEST_F(TransferTest, ImportSendsLinesAsTheyAreAndNamesThoseThatAreRefused) {
  type("{\"id\":\"1\",\"payload\":1.0}\n\n{\"payload\":2}\n{\"id\":\"3\",\"payload\":3}\n");
  transport_.answers.push_back(reply(
      202,
      R"({"results":[{"id":"1","state":"Ready"},{"error":{"detail":"no good","status":400}}]})"));

  EXPECT_EQ(execute(ImportCommand{.queue = "mail"}), ExitCode::kFailed);

  ASSERT_EQ(transport_.requests.size(), 1u);
  EXPECT_EQ(transport_.requests[0].body,
            R"({"jobs":[{"id":"1","payload":1.0},{"id":"3","payload":3}]})");
  EXPECT_EQ(out(), "imported 1 jobs (2 refused)\n");
  EXPECT_THAT(err(), HasSubstr("line 3: the job has no id"));
  EXPECT_THAT(err(), HasSubstr("line 4: no good"));
}

class BackupCommandTest : public testing::CommandTest {};

TEST_F(BackupCommandTest, CreatesListsAndDeletes) {
  using What = BackupCommand::What;
  const char* backup = R"({"name":"b","createdAt":"2026-11-27T15:00:00Z","bytes":1572864})";
  transport_.answers.push_back(reply(201, backup));
  transport_.answers.push_back(reply(200, R"({"backups":[)" + std::string(backup) + "]}"));
  transport_.answers.push_back(reply(200, "{}"));

  EXPECT_EQ(execute(BackupCommand{.what = What::kCreate, .name = "b"}), ExitCode::kOk);
  EXPECT_EQ(execute(BackupCommand{.what = What::kList}), ExitCode::kOk);
  EXPECT_EQ(execute(BackupCommand{.what = What::kDelete, .name = "b"}), ExitCode::kOk);

  EXPECT_THAT(out(), HasSubstr("backup b made, 1.5 MiB\n"));
  EXPECT_THAT(out(), HasSubstr("2026-11-27T15:00:00Z"));
  EXPECT_THAT(out(), HasSubstr("backup b deleted\n"));
  EXPECT_EQ(transport_.requests[0].method, "POST");
  EXPECT_EQ(transport_.requests[0].body, R"({"name":"b"})");
  EXPECT_EQ(transport_.requests[2].target, "/v1/backups/b");
}

TEST_F(BackupCommandTest, SaysWhyThereIsNone) {
  transport_.answers.push_back(problem(409, "conflict", "start it with --backup-dir DIR"));
  transport_.answers.push_back(problem(404, "not-found", "no such backup"));

  EXPECT_EQ(execute(BackupCommand{.what = BackupCommand::What::kCreate}), ExitCode::kFailed);
  EXPECT_EQ(execute(BackupCommand{.what = BackupCommand::What::kDelete, .name = "b"}),
            ExitCode::kFailed);

  EXPECT_THAT(err(), HasSubstr("--backup-dir"));
  EXPECT_THAT(err(), HasSubstr("sluice backup list"));
}

}  // namespace
}  // namespace sluice::cli
