#include "worker/handler_outcome.h"

#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include "worker/text.h"

namespace sluice::worker {
namespace {

using nlohmann::json;

// Accepts what the broker accepts (BROKER.md §3): whole numbers fit 64 bits, and the depth leaves
// room for the settlement around it.
class BrokerJson : public json::json_sax_t {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t& text) override {
    return text.find_first_of(".eE") != string_t::npos;
  }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ <= kDepthMax; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return --depth_ >= 0; }
  bool start_array(std::size_t) override { return ++depth_ <= kDepthMax; }
  bool end_array() override { return --depth_ >= 0; }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  static constexpr int kDepthMax = 100;
  int depth_ = 0;
};

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
  BrokerJson check;
  if (json::sax_parse(text, &check)) return std::string(text);
  // Only the newline that `echo` adds goes; other blanks may mean something in plain text.
  if (output.ends_with('\n')) output.remove_suffix(1);
  if (output.ends_with('\r')) output.remove_suffix(1);
  return json(valid_utf8(output)).dump();
}

RunOutcome result_too_large(std::size_t result_bytes_max) {
  return failed("ResultTooLarge",
                "the result is over " + std::to_string(result_bytes_max) + " bytes");
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
    std::string result = exit.output_cut ? "" : result_of_output(exit.output);
    if (exit.output_cut || result.size() > result_bytes_max) {
      return result_too_large(result_bytes_max);
    }
    return RunOutcome{.result_json = std::move(result)};
  }
  if (exit.stopped_by == StopCause::kCancelled) {
    return failed("Cancelled", with_tail("cancelled", exit.error_tail));
  }
  if (exit.stopped_by == StopCause::kShutdown)
    return RunOutcome{.outcome = api::Outcome::kReleased};
  return judge_failure(exit);
}

}  // namespace sluice::worker
