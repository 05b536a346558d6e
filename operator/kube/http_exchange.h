// One HTTP request and its answer, between the thread that waits and the library that runs it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::kube {

struct AnswerHead {
  int status = 0;
  std::string retry_after;  // the header's value
};

// Shared by both sides, so that a late step of the library finds it alive after the waiting side
// has given up. The library is stopped while kHeldBytesMax wait to be read.
//
// Threads: the reader's side is one thread, the library's side another; cancel() any.
class HttpExchange {
 public:
  using Deadline = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kHeldBytesMax = 1024 * 1024;

  // ---- The reader's side. After an error the request is abandoned.

  Result<AnswerHead> wait_for_head(Deadline deadline);
  // The bytes of the body that have come since the last call; empty at its end.
  Result<std::string> read(Deadline deadline);
  // Ends the request, and the reader's wait with kUnavailable. Harmless after its end.
  void cancel(std::string_view why);

  // ---- The library's side.

  // `abort` ends the request under way; called at most once, on any thread.
  void started(std::function<void()> abort);
  void head_came(AnswerHead head);
  // True when more may come at once; else `when_read` is called once it may, on any thread.
  bool body_came(std::string_view bytes, const std::function<void()>& when_read);
  // No call of the library follows. Null: the answer is whole.
  void ended(std::optional<Error> error);

  bool has_ended() const;

 private:
  // Marks the end and collects what must be called without the lock.
  void give_up(Error why, std::unique_lock<std::mutex>& lock);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<AnswerHead> head_;
  std::string body_;
  bool is_whole_ = false;
  bool has_ended_ = false;
  bool is_given_up_ = false;
  std::optional<Error> error_;
  std::function<void()> abort_;
  std::function<void()> when_read_;
};

}  // namespace sluice::kube
