#include "worker/settle_outbox.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "worker/handler_outcome.h"

namespace sluice::worker {
namespace {

constexpr int kNoAnswer = 503;  // the broker left this one out of its answer

bool is_success(int status) {
  return status >= 200 && status < 300;
}

bool is_passing(int status) {
  return status >= 500 || status == 401 || status == 403 || status == 408 || status == 429;
}

// 403 says that the worker may not enqueue there: that passes no more than a queue that is none.
bool refuses_follow_up(const api::Settlement& told, const api::SettleReply::One& answer) {
  if (told.follow_ups.empty()) return false;
  if (answer.field.starts_with("enqueue")) {
    return !is_success(answer.status) && (!is_passing(answer.status) || answer.status == 403);
  }
  // Nothing is said of the result either: what is new goes first.
  return answer.field.empty() && (answer.status == 413 || answer.status == 400);
}

RunOutcome follow_up_refused(const api::SettleReply::One& answer) {
  RunOutcome failure = bad_follow_up("the broker refuses a follow-up job: ");
  failure.error->reason = "FollowUpRefused";
  const bool is_named = answer.problem.find(answer.field) != std::string::npos;
  failure.error->message += is_named ? answer.problem : answer.field + ": " + answer.problem;
  return failure;
}

// What of the handler's making the broker will not take, as the run's failure. A settlement without
// any that is refused has no other form to try.
std::optional<RunOutcome> failure_of(const api::Settlement& told,
                                     const api::SettleReply::One& answer,
                                     std::size_t result_bytes_max) {
  if (refuses_follow_up(told, answer)) return follow_up_refused(answer);
  if ((answer.status != 413 && answer.status != 400) || told.result_json.empty()) return {};
  RunOutcome failure = result_too_large(result_bytes_max);
  if (answer.status == 400) {
    failure.error->reason = "ResultRefused";
    failure.error->message = "the broker does not take the result as JSON";
  }
  return failure;
}

}  // namespace

std::vector<api::Settlement> SettleOutbox::batch() const {
  const std::size_t count_max = one_by_one_ ? 1 : kBatchMax;
  std::vector<api::Settlement> taken;
  std::size_t bytes = 0;
  for (const api::Settlement& one : waiting_) {
    bytes += one.result_json.size();
    for (const std::string& job : one.follow_ups) bytes += job.size();
    if (taken.size() == count_max || (!taken.empty() && bytes > kBatchBytesMax)) break;
    taken.push_back(one);
  }
  return taken;
}

SettleVerdict SettleOutbox::apply(const api::Settlement& told,
                                  const api::SettleReply::One& answer) {
  using Fate = SettleVerdict::Fate;
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& one) {
    return one.id == told.id && one.lease == told.lease;
  });
  const auto failure = failure_of(told, answer, result_bytes_max_);
  if (failure || is_passing(answer.status)) {
    if (failure && waiting != waiting_.end()) {
      waiting->outcome = failure->outcome;
      waiting->error = failure->error;
      waiting->result_json.clear();
      waiting->follow_ups.clear();
    }
    return {told.id, Fate::kAgain, answer.status};
  }
  if (waiting != waiting_.end()) waiting_.erase(waiting);
  return {told.id, is_success(answer.status) ? Fate::kAccepted : Fate::kRefused, answer.status};
}

std::vector<SettleVerdict> SettleOutbox::answered(const std::vector<api::Settlement>& batch,
                                                  const api::SettleReply& reply) {
  one_by_one_ = false;
  std::vector<SettleVerdict> verdicts;
  verdicts.reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    // Answers come in order; the id guards against a broker that thinks otherwise.
    const bool is_answered = i < reply.results.size() && reply.results[i].id == batch[i].id;
    verdicts.push_back(apply(
        batch[i], is_answered ? reply.results[i] : api::SettleReply::One{.status = kNoAnswer}));
  }
  return verdicts;
}

bool SettleOutbox::may_succeed_later(ErrorCode code) {
  return is_passing(api::http_status(code));
}

std::vector<SettleVerdict> SettleOutbox::refused(const std::vector<api::Settlement>& batch,
                                                 const Error& error) {
  if (may_succeed_later(error.code)) return {};
  if (batch.size() > 1) {
    one_by_one_ = true;
    return {};
  }
  std::vector<SettleVerdict> verdicts;
  for (const api::Settlement& one : batch) {
    verdicts.push_back(apply(one, {.id = one.id,
                                   .status = api::http_status(error.code),
                                   .problem = error.message,
                                   .field = error.field}));
  }
  return verdicts;
}

}  // namespace sluice::worker
