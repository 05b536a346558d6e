#include "worker/handler_outcome.h"

#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include "worker/broker_json.h"
#include "worker/text.h"

namespace sluice::worker {
namespace {

std::string signal_name(int signal) {
  const char* const name = sigabbrev_np(signal);
  return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal);
}

std::string with_tail(std::string fact, const std::string& tail) {
  return tail.empty() ? fact : fact + ": " + tail;
}

RunOutcome failed(std::string reason, std::string message, std::optional<int> exit_code = {}) {
  return {.outcome = api::Outcome::kFailed,
          .error = api::RunError{
              .reason = std::move(reason), .message = std::move(message), .exit_code = exit_code}};
}

RunOutcome judge_success(const HandlerExit& exit, std::size_t result_bytes_max) {
  std::string result = exit.output_cut ? "" : result_of_output(exit.output);
  if (exit.output_cut || result.size() > result_bytes_max) {
    return result_too_large(result_bytes_max);
  }
  if (exit.follow_ups_cut) return bad_follow_up(too_many_follow_up_bytes());
  auto follow_ups = parse_follow_up_lines(exit.follow_ups);
  if (!follow_ups) return bad_follow_up(std::move(follow_ups).error().message);
  return {.result_json = std::move(result), .follow_ups = *std::move(follow_ups)};
}

RunOutcome judge_failure(const HandlerExit& exit) {
  if (WIFEXITED(exit.wait_status)) {
    const int code = WEXITSTATUS(exit.wait_status);
    return failed("ExitCode",
                  exit.error_tail.empty()
                      ? "exit status " + std::to_string(code) + ", nothing on standard error"
                      : exit.error_tail,
                  code);
  }
  const int signal = WTERMSIG(exit.wait_status);
  if (signal == SIGKILL && exit.out_of_memory) {
    return failed("OOMKilled", with_tail("ended by the kernel, out of memory", exit.error_tail));
  }
  return failed("Signal", with_tail("ended by " + signal_name(signal), exit.error_tail));
}

}  // namespace

std::string result_of_output(std::string_view output) {
  const std::string_view text = trimmed(output);
  if (text.empty()) return "null";
  if (!fault_for_broker(text)) return std::string(text);
  // Only the newline that `echo` adds goes; other blanks may mean something in plain text.
  if (output.ends_with('\n')) output.remove_suffix(1);
  if (output.ends_with('\r')) output.remove_suffix(1);
  return nlohmann::json(valid_utf8(output)).dump();
}

RunOutcome result_too_large(std::size_t result_bytes_max) {
  return failed("ResultTooLarge",
                "the result is over " + std::to_string(result_bytes_max) + " bytes");
}

RunOutcome bad_follow_up(std::string message) {
  return failed("BadFollowUp", std::move(message));
}

std::optional<RunOutcome> judge(const HandlerExit& exit, int timeout_seconds,
                                std::size_t result_bytes_max) {
  if (exit.stopped_by == StopCause::kLeaseLost) return std::nullopt;
  if (exit.stopped_by == StopCause::kTimeout) {
    return failed("Timeout", with_tail("ran longer than " + std::to_string(timeout_seconds) + " s",
                                       exit.error_tail));
  }
  // A handler that used the time between SIGTERM and SIGKILL to finish has succeeded.
  if (WIFEXITED(exit.wait_status) && WEXITSTATUS(exit.wait_status) == 0) {
    return judge_success(exit, result_bytes_max);
  }
  if (exit.stopped_by == StopCause::kCancelled) {
    return failed("Cancelled", with_tail("cancelled", exit.error_tail));
  }
  if (exit.stopped_by == StopCause::kShutdown)
    return RunOutcome{.outcome = api::Outcome::kReleased};
  return judge_failure(exit);
}

}  // namespace sluice::worker
