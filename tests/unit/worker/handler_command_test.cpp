#include "worker/handler_command.h"

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"

namespace sluice::worker {
namespace {

using ::testing::HasSubstr;

TEST(ResolveCommand, LooksInPathUnlessThereIsASlash) {
  EXPECT_EQ(resolve_command({"sh", "-c"}, "/nonexistent:/bin")->program, "/bin/sh");
  EXPECT_EQ(resolve_command({"/bin/sh"}, "")->program, "/bin/sh");
  EXPECT_EQ(resolve_command({"sh", "-c"}, "/bin")->argv, (std::vector<std::string>{"sh", "-c"}));
}

TEST(ResolveCommand, SaysWhatCannotBeStarted) {
  const char* const cases[] = {"no-such-handler", "/nonexistent/x", "/etc/passwd", "/tmp/", ""};
  for (const char* command : cases) {
    SCOPED_TRACE(command);
    const auto resolved = resolve_command({command}, "/bin");
    ASSERT_FALSE(resolved);
    EXPECT_EQ(resolved.error().code, ErrorCode::kNotFound);
    EXPECT_NE(resolved.error().message.find(command), std::string::npos);
  }
}

// The kernel refuses them, whatever a shell makes of them.
TEST(ResolveCommand, AScriptWithoutItsFirstLineCannotBeStarted) {
  struct Case {
    const char* text;
    const char* why;
  };
  const Case cases[] = {{"echo hello\n", "does not begin with #!"},
                        {"", "it is empty"},
                        {"#!/nonexistent/sh\n", "its interpreter /nonexistent/sh"},
                        {"#! /bin/sh -e\n", nullptr},
                        {"#!/bin/sh\necho hello\n", nullptr}};
  const sluice::testing::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "handler";
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    std::ofstream(file) << c.text;
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);

    const auto resolved = resolve_command({file.string()}, "");

    ASSERT_EQ(static_cast<bool>(resolved), c.why == nullptr);
    if (c.why != nullptr) {
      EXPECT_THAT(resolved.error().message, HasSubstr(c.why));
    }
  }
}

TEST(HandlerEnvironment, AddsTheJobAndHidesTheWorker) {
  const auto environment =
      handler_environment({"PATH=/bin", "SLUICE_WORKER_BROKER=x", "SLUICE_JOB_ID=old",
                           "TRACEPARENT=old", "SLUICE_TOKENS=kept"},
                          "q", {.id = "a", .attempt = 2, .deadline = "2026-11-22T16:00:00Z"});

  EXPECT_EQ(environment, (std::vector<std::string>{
                             "PATH=/bin", "SLUICE_TOKENS=kept", "SLUICE_JOB_ID=a", "SLUICE_QUEUE=q",
                             "SLUICE_ATTEMPT=2", "SLUICE_DEADLINE=2026-11-22T16:00:00Z"}));
}

}  // namespace
}  // namespace sluice::worker
