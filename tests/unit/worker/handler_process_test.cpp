#include "worker/handler_process.h"

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace sluice::worker {
namespace {

std::unique_ptr<HandlerProcess> start_shell(const std::string& script, std::string_view input = "",
                                            std::size_t output_bytes_max = 65536,
                                            std::string_view parents = "{}") {
  auto process = HandlerProcess::start({.program = "/bin/sh",
                                        .argv = {"sh", "-c", script},
                                        .environment = {"PATH=/usr/bin:/bin", "A=1"},
                                        .input = input,
                                        .parents = parents,
                                        .output_bytes_max = output_bytes_max});
  return process ? std::move(*process) : nullptr;
}

HandlerExit run_to_end(HandlerProcess& process) {
  while (!process.has_exited()) {
    std::vector<pollfd> polled;
    process.add_poll(polled);
    poll(polled.data(), polled.size(), -1);
    process.pump();
  }
  return process.finish();
}

TEST(HandlerProcess, GetsItsInputByteForByte) {
  const std::string payload(1 << 20, 'x');  // far over a pipe's capacity
  const auto process = start_shell("wc -c; echo $A", payload);
  ASSERT_NE(process, nullptr);

  EXPECT_EQ(run_to_end(*process).output, "1048576\n1\n");
}

TEST(HandlerProcess, ReportsHowItEnded) {
  const auto exited = start_shell("echo why >&2; exit 7");
  const auto killed = start_shell("kill -SEGV $$");
  ASSERT_TRUE(exited && killed);

  const HandlerExit exit = run_to_end(*exited);
  EXPECT_EQ(WEXITSTATUS(exit.wait_status), 7);
  EXPECT_EQ(exit.error_tail, "why");
  EXPECT_EQ(WTERMSIG(run_to_end(*killed).wait_status), SIGSEGV);
}

TEST(HandlerProcess, KeepsBoundedOutputAndReadsTheRestAway) {
  const auto process =
      start_shell("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", "", 10);
  ASSERT_NE(process, nullptr);

  const HandlerExit exit = run_to_end(*process);

  EXPECT_EQ(exit.output.size(), 10u);
  EXPECT_TRUE(exit.output_cut);
  EXPECT_EQ(WEXITSTATUS(exit.wait_status), 0);
}

TEST(HandlerProcess, MayCloseItsOutputEarly) {
  const auto process = start_shell("exec >&- 2>&- 3>&- 4>&- 5>&-; exit 3");
  ASSERT_NE(process, nullptr);

  EXPECT_EQ(WEXITSTATUS(run_to_end(*process).wait_status), 3);
}

TEST(HandlerProcess, EndsWithItsLeaderNotWithItsPipes) {
  // The child keeps the pipes open; it is killed with its group.
  const auto process = start_shell("sleep 1000 & echo done");
  ASSERT_NE(process, nullptr);
  const pid_t group = process->pid();

  EXPECT_EQ(run_to_end(*process).output, "done\n");
  // Its last member is gone, or is a zombie that init has yet to collect.
  EXPECT_TRUE(kill(-group, SIGKILL) == 0 || errno == ESRCH);
}

TEST(HandlerProcess, SignalsReachTheWholeGroup) {
  const auto process = start_shell("sleep 1000; true");
  ASSERT_NE(process, nullptr);

  process->signal(SIGTERM);

  EXPECT_EQ(WTERMSIG(run_to_end(*process).wait_status), SIGTERM);
}

TEST(HandlerProcess, GetsItsParentsResultsFromTheStartAndCannotChangeThem) {
  const std::string parents = "{\"a\":\"" + std::string(1 << 20, 'x') + "\"}";
  const auto process = start_shell("head -c 5 <&4; wc -c <&4; echo x 2>/dev/null >&4 || echo no",
                                   "", 65536, parents);
  ASSERT_NE(process, nullptr);

  EXPECT_EQ(run_to_end(*process).output, "{\"a\":" + std::to_string(parents.size() - 5) + "\nno\n");
}

TEST(HandlerProcess, KeepsTheFollowUpJobsItWrites) {
  // Far more than a pipe holds, in one go.
  const auto process = start_shell("echo '{\"a\":1}' >&5; head -c 1000000 /dev/zero >&5");
  ASSERT_NE(process, nullptr);

  const HandlerExit exit = run_to_end(*process);

  EXPECT_EQ(WEXITSTATUS(exit.wait_status), 0);
  EXPECT_EQ(exit.follow_ups.size(), 1000000u + 8);
  EXPECT_TRUE(exit.follow_ups.starts_with("{\"a\":1}\n"));
  EXPECT_FALSE(exit.follow_ups_cut);
}

TEST(HandlerProcess, ReadsAwayFollowUpJobsBeyondTheBound) {
  const auto process = start_shell("head -c 9000000 /dev/zero >&5; echo done");
  ASSERT_NE(process, nullptr);

  const HandlerExit exit = run_to_end(*process);

  EXPECT_EQ(exit.output, "done\n");
  EXPECT_EQ(exit.follow_ups.size(), kFollowUpBytesMax);
  EXPECT_TRUE(exit.follow_ups_cut);
}

// More than one pump() takes, left in the pipes at the end.
TEST(HandlerProcess, ReadsAllThatIsLeftWhenItHasEnded) {
  const auto process = start_shell(
      "exec python3 -c 'import fcntl, os\n"
      "for fd in (1, 5):\n"
      "  fcntl.fcntl(fd, 1031, 1 << 20)\n"
      "  os.write(fd, b\"x\" * 1000000)'",
      "", 2'000'000);
  ASSERT_NE(process, nullptr);
  while (!process->has_exited()) {
    pollfd nothing{};
    poll(&nothing, 0, 10);
  }

  const HandlerExit exit = process->finish();

  EXPECT_EQ(WEXITSTATUS(exit.wait_status), 0);
  EXPECT_EQ(exit.output.size(), 1'000'000u);
  EXPECT_EQ(exit.follow_ups.size(), 1'000'000u);
}

TEST(HandlerProcess, InheritsNoDescriptorButItsSix) {
  const auto process = start_shell("echo /proc/self/fd/*; echo 0.5 >&3");
  ASSERT_NE(process, nullptr);

  const HandlerExit exit = run_to_end(*process);

  // The shell that expands the pattern holds the folder open itself, as one more.
  EXPECT_TRUE(
      exit.output.starts_with("/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3 "
                              "/proc/self/fd/4 /proc/self/fd/5"));
  EXPECT_LE(std::count(exit.output.begin(), exit.output.end(), '/'), 7 * 4);
  EXPECT_EQ(process->take_progress()->ratio, 0.5);
}

TEST(HandlerProcess, AMissingProgramIsNotFound) {
  const auto process =
      HandlerProcess::start({.program = "/nonexistent/handler", .argv = {"handler"}});

  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::worker
