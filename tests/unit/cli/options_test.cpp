#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;

using Words = std::vector<std::string>;

std::variant<Options, ParseEnd> parse(Words words) {
  words.insert(words.begin(), "sluice");
  return parse_options(std::move(words));
}

template <typename T>
T command_of(const Words& words) {
  const auto parsed = parse(words);
  const auto* options = std::get_if<Options>(&parsed);
  if (options == nullptr || !std::holds_alternative<T>(options->command)) {
    ADD_FAILURE() << "not parsed as that command";
    return {};
  }
  return std::get<T>(options->command);
}

TEST(Options, ReadsEveryFlagOfEnqueue) {
  const auto command =
      command_of<EnqueueCommand>({"enqueue", "mail", "{\"a\":1}", "--priority", "9", "--delay", "3",
                                  "--expires-at", "2026-11-22T16:00:00Z", "--timeout", "60",
                                  "--label", "a=1", "--label", "b=x=y", "--idempotency-key", "k"});

  EXPECT_EQ(command.queue, "mail");
  EXPECT_EQ(command.payload, "{\"a\":1}");
  EXPECT_EQ(command.fields.priority, 9);
  EXPECT_EQ(command.fields.delay_seconds, 3);
  EXPECT_EQ(command.fields.timeout_seconds, 60);
  EXPECT_EQ(command.fields.labels, (api::Labels{{"a", "1"}, {"b", "x=y"}}));
  EXPECT_EQ(command.idempotency_key, "k");
}

TEST(Options, EnqueueTakesParentsWhereverTheyStand) {
  const auto command = command_of<EnqueueCommand>({"enqueue", "--depends-on", "a", "mail", "1",
                                                   "--depends-on", "b", "--run-on-parent-failure"});

  EXPECT_EQ(command.queue, "mail");
  EXPECT_EQ(command.payload, "1");
  EXPECT_EQ(command.fields.depends_on, (Words{"a", "b"}));
  EXPECT_TRUE(command.fields.run_on_parent_failure);
}

TEST(Options, PayloadMayBeAnyJson) {
  EXPECT_EQ(command_of<EnqueueCommand>({"enqueue", "q", "[1,2]"}).payload, "[1,2]");
  EXPECT_EQ(command_of<EnqueueCommand>({"enqueue", "q", "null"}).payload, "null");
  EXPECT_EQ(command_of<EnqueueCommand>({"enqueue", "q", "\"a, b\""}).payload, "\"a, b\"");
}

TEST(Options, QueueMayBeNamedLikeACommand) {
  EXPECT_EQ(command_of<EnqueueCommand>({"enqueue", "watch", "1"}).queue, "watch");
  EXPECT_EQ(command_of<GetJobsCommand>({"get", "jobs", "dead"}).queue, "dead");
}

TEST(Options, CommonOptionsStandBeforeOrAfterTheCommand) {
  for (const Words& words : {Words{"-n", "prod", "-o", "yaml", "get", "queues"},
                             Words{"get", "queues", "-o", "yaml", "-n", "prod"}}) {
    const auto parsed = parse(words);
    ASSERT_TRUE(std::holds_alternative<Options>(parsed));
    EXPECT_EQ(std::get<Options>(parsed).namespace_name, "prod");
    EXPECT_EQ(std::get<Options>(parsed).output, OutputFormat::kYaml);
  }
}

TEST(Options, GetJobsWithoutAQueueMeansResources) {
  EXPECT_EQ(command_of<GetResourcesCommand>({"get", "jobs", "--data", "d"}).data_folder, "d");
  EXPECT_EQ(command_of<GetResourcesCommand>({"get", "schedules"}).what,
            GetResourcesCommand::What::kSchedules);
}

TEST(Options, MistakesAreNamedOnOneLine) {
  struct Case {
    Words words;
    const char* want;
  };
  const Case cases[] = {
      {{}, "subcommand"},
      {{"fly"}, "sluice --help"},
      {{"fly"}, "\"fly\" is not known"},
      {{"get", "flies"}, "\"flies\" is not known"},
      {{"enqueue", "--fast"}, "\"--fast\" is not known"},
      {{"get", "queues", "mail"}, "mail"},
      {{"enqueue"}, "QUEUE"},
      {{"enqueue", "q", "1", "--priority", "10"}, "--priority"},
      {{"enqueue", "q", "1", "--run-at", "tomorrow"}, "tomorrow"},
      {{"enqueue", "q", "1", "--label", "oops"}, "oops"},
      {{"enqueue", "q", "1", "--file", "x"}, "--file"},
      {{"enqueue", "q", "1", "--envelope"}, "--envelope"},
      {{"enqueue", "q", "--file", "x", "--idempotency-key", "k"}, "--idempotency-key"},
      {{"enqueue", "q", "--file", "x", "--envelope", "--priority", "1"}, "--envelope"},
      {{"get", "jobs", "q", "--state", "Lost"}, "Lost"},
      {{"get", "jobs", "--state", "Dead"}, "--state"},
      {{"watch", "--jobs"}, "QUEUE"},
      {{"redrive", "q", "id", "--reason", "r"}, "--reason"},
      {{"redrive", "q", "--per-second", "0"}, "--per-second"},
      {{"redrive", "q", "--died-before", "noon"}, "noon"},
      {{"reschedule", "q", "id"}, "--run-at"},
      {{"reschedule", "q", "id", "--run-at", "2026-11-22T16:00:00Z", "--delay", "1"}, "--delay"},
      {{"run", "q"}, "ID"},
      {{"cancel", "q"}, "--label"},
      {{"cancel", "q", "id", "--label", "a=1"}, "--label"},
      {{"cancel", "q", "--label", "a"}, "--label"},
      {{"get", "queues", "-o", "xml"}, "\"xml\" is not a way to print: table, json or yaml"},
      {{"scale", "q", "many"}, "many"},
      {{"scale", "q", "-1"}, "-1"},
      {{"scale", "q", "10001"}, "10000"},
      {{"trigger"}, "SCHEDULE"},
      {{"export"}, "QUEUE"},
      {{"export", "q", "--state", "Ready,Lost"}, "Lost"},
      {{"import"}, "QUEUE"},
      {{"backup"}, "subcommand"},
      {{"backup", "delete"}, "NAME"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.want);
    const auto parsed = parse(c.words);
    const auto* end = std::get_if<ParseEnd>(&parsed);
    ASSERT_NE(end, nullptr);
    EXPECT_EQ(end->code, ExitCode::kUsage);
    EXPECT_THAT(end->text, HasSubstr(c.want));
    EXPECT_EQ(end->text.find('\n'), end->text.size() - 1);
  }
}

TEST(Options, ScaleTakesANumberOrAuto) {
  EXPECT_EQ(command_of<ScaleCommand>({"scale", "q", "0"}).replicas, 0);
  EXPECT_EQ(command_of<ScaleCommand>({"scale", "q", "auto"}).replicas, std::nullopt);
}

TEST(Options, AContextOrTheKubectlPluginMeansTheCluster) {
  const auto in_cluster = [](Words words) {
    return std::get<Options>(parse_options(std::move(words))).access.in_cluster;
  };
  EXPECT_FALSE(in_cluster({"sluice", "get", "queues"}));
  EXPECT_TRUE(in_cluster({"sluice", "get", "queues", "--context", "c"}));
  EXPECT_TRUE(in_cluster({"sluice", "--kubeconfig", "k", "get", "queues"}));
  EXPECT_TRUE(in_cluster({"/usr/local/bin/kubectl-sluice", "get", "queues"}));
}

TEST(Options, ExportAndImportTakeAFileOrAStream) {
  EXPECT_EQ(command_of<ExportCommand>({"export", "q"}).states, "Blocked,Scheduled,Ready,Running");
  EXPECT_EQ(command_of<ExportCommand>({"export", "q", "--state", "Dead"}).states, "Dead");
  EXPECT_EQ(command_of<ExportCommand>({"export", "q", "--output", "f"}).file, "f");
  EXPECT_EQ(command_of<ImportCommand>({"import", "q", "f"}).file, "f");
  EXPECT_EQ(command_of<ImportCommand>({"import", "q"}).file, "");
}

TEST(Options, ABackupMayBeNamed) {
  using What = BackupCommand::What;
  EXPECT_EQ(command_of<BackupCommand>({"backup", "create"}).what, What::kCreate);
  EXPECT_EQ(command_of<BackupCommand>({"backup", "create", "b"}).name, "b");
  EXPECT_EQ(command_of<BackupCommand>({"backup", "list"}).what, What::kList);
  EXPECT_EQ(command_of<BackupCommand>({"backup", "delete", "b"}).what, What::kDelete);
}

TEST(Options, HelpShowsExamples) {
  const auto parsed = parse({"enqueue", "--help"});
  const auto* end = std::get_if<ParseEnd>(&parsed);

  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->code, ExitCode::kOk);
  EXPECT_THAT(end->text, HasSubstr("sluice enqueue mail --file jobs.ndjson"));
}

}  // namespace
}  // namespace sluice::cli
