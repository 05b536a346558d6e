#include "worker/options.h"

#include <gtest/gtest.h>

namespace sluice::worker {
namespace {

ParsedOptions parse(std::vector<std::string> arguments) {
  std::vector<std::string> all = {"sluice-worker", "--name", "w"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : all) argv.push_back(argument.data());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

TEST(WorkerOptions, TheBrokersPathIsKept) {
  const auto parsed = parse({"--broker", "http://proxy:80/sluice/", "--queue", "q", "--", "true"});

  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->broker.base_path, "/sluice");
  EXPECT_EQ(parsed.options->command, std::vector<std::string>{"true"});
}

TEST(WorkerOptions, WhatCanNeverWorkIsRefusedWithStatusTwo) {
  const std::string broker = "http://127.0.0.1:7070";
  const std::vector<std::string> cases[] = {
      {"--queue", "q", "--", "true"},
      {"--broker", broker, "--queue", "q"},
      {"--broker", broker, "--queue", "q", "--no-such", "--", "true"},
      {"--broker", broker, "--queue", "Mail", "--", "true"},
      {"--broker", broker, "--queue", "a/b", "--", "true"},
      {"--broker", broker, "--queue", std::string(53, 'q'), "--", "true"},
      {"--broker", broker, "--queue", "q", "--namespace", "a b", "--", "true"},
      {"--broker", broker, "--queue", "q", "--concurrency", "0", "--", "true"},
      {"--broker", "ftp://x", "--queue", "q", "--", "true"},
      {"--broker", broker, "--queue", "q", "--http-port", "80", "--http-body", "parents"},
      {"--broker", broker + "?q=1", "--queue", "q", "--", "true"},
  };
  for (const std::vector<std::string>& arguments : cases) {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const auto parsed = parse(arguments);
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.exit_status, 2);
  }
}

TEST(WorkerOptions, ParentsResultsArePostedWhereItIsAsked) {
  std::vector<std::string> arguments = {"--broker", "http://b:1",  "--queue",
                                        "q",        "--http-port", "80"};
  EXPECT_FALSE(parse(arguments).options->http_posts_parents);

  arguments.insert(arguments.end(), {"--http-body", "payload-and-parents"});
  EXPECT_TRUE(parse(arguments).options->http_posts_parents);
}

TEST(WorkerOptions, HelpIsNoFailure) {
  EXPECT_EQ(parse({"--help"}).exit_status, 0);
}

}  // namespace
}  // namespace sluice::worker
