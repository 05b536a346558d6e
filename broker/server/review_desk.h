// Where calls wait for a verdict of the Kubernetes API. Included by this folder's .cpp files alone.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/server/coro.h"
#include "broker/server/limits.h"
#include "broker/server/verdict_cache.h"

namespace sluice::broker {

// Answers from memory where it can; otherwise asks once, however many want to know the same. A
// verdict is something that is true when it grants. What could not be found out is not kept.
//
// Threads: any network thread; `ask` runs on the pool, which is joined before the desk goes.
template <typename Verdict>
class ReviewDesk {
 public:
  using Ask = std::function<Result<Verdict>()>;

  ReviewDesk(const Clock& clock, net::thread_pool& pool) : clock_(clock), pool_(pool) {}

  Task<Result<Verdict>> get(std::string key, Ask ask) {
    if (auto known = find(key)) co_return *std::move(known);
    net::any_io_executor executor = co_await net::this_coro::executor;
    auto initiate = [this, &key, &ask, executor](auto handler) {
      auto shared = std::make_shared<decltype(handler)>(std::move(handler));
      join(key, std::move(ask), [shared, executor](const Result<Verdict>& verdict) {
        resume_with(executor, std::move(*shared), verdict);
      });
    };
    net::use_awaitable_t<> token;
    co_return co_await net::async_initiate<net::use_awaitable_t<>, void(Result<Verdict>)>(initiate,
                                                                                          token);
  }

 private:
  using Waiter = std::function<void(const Result<Verdict>&)>;

  std::optional<Verdict> find(const std::string& key) {
    const SteadyPoint now = clock_.now().steady;
    const std::lock_guard lock(mutex_);
    auto known = granted_.find(key, now);
    return known ? known : refused_.find(key, now);
  }

  void join(const std::string& key, Ask ask, Waiter waiter) {
    {
      const std::lock_guard lock(mutex_);
      const auto under_way = waiting_.find(key);
      if (under_way != waiting_.end()) {
        under_way->second.push_back(std::move(waiter));
        return;
      }
      if (waiting_.size() < limits::kReviewsMax) {
        waiting_[key].push_back(std::move(waiter));
        net::post(pool_, [this, key, ask = std::move(ask)] { finish(key, ask()); });
        return;
      }
    }
    waiter(Error{ErrorCode::kUnavailable, "too many callers are being looked up: try again"});
  }

  void finish(const std::string& key, const Result<Verdict>& verdict) {
    std::vector<Waiter> waiters;
    {
      const std::lock_guard lock(mutex_);
      if (verdict) (*verdict ? granted_ : refused_).put(key, *verdict, clock_.now().steady);
      waiters = std::move(waiting_[key]);
      waiting_.erase(key);
    }
    for (const Waiter& waiter : waiters) waiter(verdict);
  }

  const Clock& clock_;
  net::thread_pool& pool_;
  std::mutex mutex_;
  VerdictCache<Verdict> granted_{limits::kGrantedMax, limits::kVerdictsMax};
  VerdictCache<Verdict> refused_{limits::kRefusedMax, limits::kVerdictsMax};
  std::unordered_map<std::string, std::vector<Waiter>> waiting_;
};

}  // namespace sluice::broker
