#include "worker/handler_outcome.h"

#include <csignal>

namespace sluice::worker {
namespace {

constexpr int exited(int code) {
  return code << 8;
}  // as waitpid encodes it
constexpr int signalled(int signal) {
  return signal;
}

TEST(JudgeRun, FollowsExitSignalAndWhoEndedIt) {
  struct Case {
    const char* name;
    HandlerExit exit;
    api::Outcome outcome;
    const char* reason;
    const char* message;
  };
  using enum StopCause;
  const Case cases[] = {
      {"success", {.output = "1"}, api::Outcome::kSucceeded, "", ""},
      {"exit code",
       {.wait_status = exited(65), .error_tail = "bad"},
       api::Outcome::kFailed,
       "ExitCode",
       "bad"},
      {"exit code, silent",
       {.wait_status = exited(3)},
       api::Outcome::kFailed,
       "ExitCode",
       "exit status 3, nothing on standard error"},
      {"signal",
       {.wait_status = signalled(SIGSEGV), .error_tail = "x"},
       api::Outcome::kFailed,
       "Signal",
       "ended by SIGSEGV: x"},
      {"killed by someone",
       {.wait_status = signalled(SIGKILL)},
       api::Outcome::kFailed,
       "Signal",
       "ended by SIGKILL"},
      {"out of memory",
       {.wait_status = signalled(SIGKILL), .out_of_memory = true},
       api::Outcome::kFailed,
       "OOMKilled",
       "ended by the kernel, out of memory"},
      {"timeout",
       {.wait_status = signalled(SIGTERM), .stopped_by = kTimeout},
       api::Outcome::kFailed,
       "Timeout",
       "ran longer than 9 s"},
      {"timeout, though it ended well",
       {.stopped_by = kTimeout},
       api::Outcome::kFailed,
       "Timeout",
       "ran longer than 9 s"},
      {"cancelled",
       {.wait_status = signalled(SIGTERM), .stopped_by = kCancelled},
       api::Outcome::kFailed,
       "Cancelled",
       "cancelled"},
      {"finished when cancelled", {.stopped_by = kCancelled}, api::Outcome::kSucceeded, "", ""},
      {"our shutdown",
       {.wait_status = exited(1), .stopped_by = kShutdown},
       api::Outcome::kReleased,
       "",
       ""},
      {"too large",
       {.output = "1", .output_cut = true},
       api::Outcome::kFailed,
       "ResultTooLarge",
       "the result is over 20 bytes"},
      {"a bad follow-up job",
       {.output = "1", .follow_ups = "{}\nx\n"},
       api::Outcome::kFailed,
       "BadFollowUp",
       "line 2 of the follow-up jobs: is no JSON object"},
      {"too many bytes of follow-up jobs",
       {.output = "1", .follow_ups = "{}\n", .follow_ups_cut = true},
       api::Outcome::kFailed,
       "BadFollowUp",
       "the follow-up jobs have more than 8388608 bytes"},
      {"a bad follow-up job of a failed run",
       {.wait_status = exited(7), .error_tail = "first", .follow_ups = "x"},
       api::Outcome::kFailed,
       "ExitCode",
       "first"},
      {"too large once quoted",
       {.output = std::string(20, 'x')},
       api::Outcome::kFailed,
       "ResultTooLarge",
       "the result is over 20 bytes"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto run = judge(c.exit, 9, 20);
    ASSERT_TRUE(run);
    EXPECT_EQ(run->outcome, c.outcome);
    EXPECT_EQ(run->error ? run->error->reason : "", c.reason);
    EXPECT_EQ(run->error ? run->error->message : "", c.message);
  }
}

TEST(JudgeRun, OnlySuccessBringsFollowUpJobs) {
  const HandlerExit done{.output = "1", .follow_ups = "{\"payload\":1}\n"};
  EXPECT_EQ(judge(done, 9, 20)->follow_ups, FollowUps{"{\"payload\":1}"});

  for (const StopCause cause : {StopCause::kNone, StopCause::kCancelled, StopCause::kShutdown}) {
    HandlerExit failed = done;
    failed.wait_status = exited(1);
    failed.stopped_by = cause;
    EXPECT_TRUE(judge(failed, 9, 20)->follow_ups.empty());
  }
}

TEST(JudgeRun, SaysNothingOfALostLease) {
  EXPECT_FALSE(judge({.stopped_by = StopCause::kLeaseLost}, 9, 20));
}

TEST(ResultOfOutput, IsJsonOrAJsonString) {
  struct Case {
    const char* name;
    std::string output;
    std::string want;
  };
  const Case cases[] = {
      {"nothing", "", "null"},
      {"blank", " \n", "null"},
      {"JSON", " {\"a\": [1, 2.5e3]}\n", "{\"a\": [1, 2.5e3]}"},
      {"text", "hello world\n", "\"hello world\""},
      {"text keeps its blanks", "  a\n\n", "\"  a\\n\""},
      {"not UTF-8", "a\xFF", "\"a\xEF\xBF\xBD\""},
      {"two values", "1 2", "\"1 2\""},
      {"whole number over 64 bits", "123456789012345678901", "\"123456789012345678901\""},
      {"not finite", "1e400", "\"1e400\""},
      {"lone surrogate", R"("\ud800")", R"("\"\\ud800\"")"},
      {"too deep", std::string(101, '[') + std::string(101, ']'),
       "\"" + std::string(101, '[') + std::string(101, ']') + "\""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(result_of_output(c.output), c.want);
  }
}

}  // namespace
}  // namespace sluice::worker
