#include "operator/kube/http_exchange.h"

#include <utility>

namespace sluice::kube {

Result<AnswerHead> HttpExchange::wait_for_head(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const bool came =
      changed_.wait_until(lock, deadline, [this] { return head_ || error_ || is_whole_; });
  if (head_ && !is_given_up_) return *head_;
  if (error_) return *error_;
  Error why{ErrorCode::kDeadlineExceeded, "no answer came in time"};
  if (came) why = {ErrorCode::kUnavailable, "the answer ended before it began"};
  give_up(why, lock);
  return why;
}

Result<std::string> HttpExchange::read(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const bool came =
      changed_.wait_until(lock, deadline, [this] { return !body_.empty() || error_ || is_whole_; });
  if (!came) {
    Error why{ErrorCode::kDeadlineExceeded, "the answer did not come in time"};
    give_up(why, lock);
    return why;
  }
  // What came before the connection broke is still good: a watch's lines are events that happened.
  if (!body_.empty() && !is_given_up_) {
    std::string bytes = std::exchange(body_, {});
    const auto when_read = std::exchange(when_read_, nullptr);
    lock.unlock();
    if (when_read) when_read();
    return bytes;
  }
  if (error_) return *error_;
  return std::string();
}

void HttpExchange::cancel(std::string_view why) {
  std::unique_lock lock(mutex_);
  give_up({ErrorCode::kUnavailable, std::string(why)}, lock);
}

void HttpExchange::give_up(Error why, std::unique_lock<std::mutex>& lock) {
  if (is_given_up_) return;
  is_given_up_ = true;
  if (!error_) error_ = std::move(why);
  body_.clear();
  const auto abort = std::exchange(abort_, nullptr);
  const auto when_read = std::exchange(when_read_, nullptr);
  const bool was_running = !has_ended_;
  lock.unlock();
  changed_.notify_all();
  if (when_read) when_read();
  if (abort && was_running) abort();
  lock.lock();
}

void HttpExchange::started(std::function<void()> abort) {
  {
    const std::scoped_lock lock(mutex_);
    if (!is_given_up_) {
      abort_ = std::move(abort);
      return;
    }
  }
  abort();
}

void HttpExchange::head_came(AnswerHead head) {
  {
    const std::scoped_lock lock(mutex_);
    head_ = std::move(head);
  }
  changed_.notify_all();
}

bool HttpExchange::body_came(std::string_view bytes, const std::function<void()>& when_read) {
  bool may_more_come = true;
  {
    const std::scoped_lock lock(mutex_);
    if (is_given_up_) return true;  // dropped; the abort is on its way
    body_.append(bytes);
    may_more_come = body_.size() < kHeldBytesMax;
    if (!may_more_come) when_read_ = when_read;
  }
  changed_.notify_all();
  return may_more_come;
}

void HttpExchange::ended(std::optional<Error> error) {
  std::function<void()> dropped;
  {
    const std::scoped_lock lock(mutex_);
    has_ended_ = true;
    dropped = std::exchange(abort_, nullptr);
    if (!error) {
      is_whole_ = true;
    } else if (!error_) {
      error_ = std::move(error);
    }
  }
  changed_.notify_all();
}

bool HttpExchange::has_ended() const {
  const std::scoped_lock lock(mutex_);
  return has_ended_;
}

}  // namespace sluice::kube
