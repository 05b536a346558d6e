#include "cli/local/processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>

#include "cli/local/proc_scan.h"
#include "common/base/clock.h"
#include "tests/unit/cli/local/temporary_folder.h"

namespace sluice::local {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ProcessesTest : public ::testing::Test {
 protected:
  ProcessesTest()
      : loop_(std::move(*EventLoop::make(clock_))),
        processes_(std::move(*ChildProcesses::make(*loop_))) {}

  Result<Pid> shell(const std::string& script, Command command = {}) {
    command.argv = {"/bin/sh", "-c", script};
    return processes_->start(
        command, {.on_line = [this](std::string_view line) { lines_.emplace_back(line); },
                  .on_end = [this](const ProcessEnd& end) { ends_.push_back(end); }});
  }
  template <typename Condition>
  void run_until(Condition condition) {
    for (int i = 0; i < 6'000 && !condition(); ++i) loop_->run_once(std::chrono::milliseconds{10});
    ASSERT_TRUE(condition());
  }
  void run_until_ended() {
    run_until([this] { return !ends_.empty(); });
  }

  SystemClock clock_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<ChildProcesses> processes_;
  std::vector<std::string> lines_;
  std::vector<ProcessEnd> ends_;
};

TEST_F(ProcessesTest, LinesOfBothOutputsThenTheEnd) {
  ASSERT_TRUE(shell("echo one; echo two >&2; printf unfinished; exit 3"));
  run_until_ended();

  EXPECT_THAT(lines_, ElementsAre("one", "two", "unfinished"));
  EXPECT_THAT(ends_, ElementsAre(ProcessEnd{.exit_code = 3, .signal = {}}));
}

TEST_F(ProcessesTest, EnvironmentAndWorkingFolderAreThoseAskedFor) {
  const sluice::testing::TemporaryFolder folder;
  ASSERT_TRUE(shell("echo $COLOUR; pwd; cat",
                    {.argv = {}, .env = {{"COLOUR", "red"}}, .working_folder = folder.path()}));
  run_until_ended();

  EXPECT_THAT(lines_, ElementsAre("red", folder.path().string()));
}

TEST_F(ProcessesTest, MissingProgramOrFolderIsNamed) {
  const auto program =
      processes_->start({.argv = {"/nonexistent/x"}, .env = {}, .working_folder = {}}, {});
  const auto folder = shell("true", {.argv = {}, .env = {}, .working_folder = "/nonexistent/y"});

  EXPECT_THAT(program.error().message, HasSubstr("/nonexistent/x"));
  EXPECT_THAT(folder.error().message, HasSubstr("/nonexistent/y"));
}

TEST_F(ProcessesTest, SignalEndsTheProcess) {
  const auto pid = shell("echo up; exec sleep 600");
  run_until([this] { return !lines_.empty(); });

  processes_->signal(*pid, SIGTERM);
  run_until_ended();

  EXPECT_THAT(ends_, ElementsAre(ProcessEnd{.exit_code = {}, .signal = SIGTERM}));
}

TEST_F(ProcessesTest, WhatAKilledChildLeavesBehindIsFoundByItsMark) {
  const auto pid =
      shell("setsid sleep 600 & echo up; wait",
            {.argv = {}, .env = {{"SLUICE_TEST_MARK", "unique-7"}}, .working_folder = {}});
  run_until([] { return processes_with_environment("SLUICE_TEST_MARK=unique-7").size() >= 2; });
  processes_->signal(*pid, SIGKILL);
  run_until_ended();
  ASSERT_FALSE(processes_with_environment("SLUICE_TEST_MARK=unique-7").empty());

  processes_->kill_marked("SLUICE_TEST_MARK", "unique-7");

  run_until([] { return processes_with_environment("SLUICE_TEST_MARK=unique-7").empty(); });
}

TEST_F(ProcessesTest, NothingIsLeftRunning) {
  ASSERT_TRUE(shell("setsid sleep 600 & echo up; exec sleep 600"));
  run_until([this] { return !lines_.empty(); });
  EXPECT_THAT(children_of(::getpid()), Not(IsEmpty()));

  processes_.reset();

  EXPECT_THAT(children_of(::getpid()), IsEmpty());
}

}  // namespace
}  // namespace sluice::local
