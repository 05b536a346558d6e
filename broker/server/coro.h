// What handlers run on: coroutines of the network threads, and how they wait for the other threads.
// The one header here that includes Asio; only this folder's .cpp files include it.
#pragma once

#include <atomic>
#include <boost/asio.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <type_traits>
#include <utility>

#include "broker/commit/engine_loop.h"
#include "broker/server/disk_guard.h"
#include "broker/server/http_message.h"
#include "broker/server/hub.h"
#include "broker/server/json_view.h"
#include "broker/server/metrics.h"
#include "broker/server/questions.h"
#include "broker/server/queue_directory.h"
#include "broker/server/router.h"
#include "common/api/decode.h"

namespace sluice::broker {

namespace net = boost::asio;
template <typename T>
using Task = net::awaitable<T>;

class AccessControl;
class BackupDesk;

// What every handler may use. All of it outlives the network threads.
struct Services {
  EngineLoop& loop;
  Store& store;
  const Clock& clock;
  QueueDirectory& directory;
  DiskGuard& disk;
  Metrics& metrics;
  net::thread_pool& readers;        // where the store is read: neither network nor engine may block
  AccessControl* access = nullptr;  // null: everybody may do everything
  BackupDesk* backups = nullptr;    // null: no folder for them
  net::thread_pool* backup_thread = nullptr;  // with `backups`: where one is made
  bool loopback_names_only = false;           // as to the Host header
  std::atomic<std::size_t> request_bytes{0};  // bodies in memory
  int signal_streams = 0;                     // in steps of the engine
};

class Connection;
struct NetThread;

// Knows whose it is, so that a coroutine's executor leads to its thread.
struct NetContext final : net::io_context {
  explicit NetContext(NetThread& of) : net::io_context(1), thread(of) {}
  NetThread& thread;
};

// One thread and everything that is used on it alone.
struct NetThread {
  NetThread(std::size_t index, std::size_t count, std::function<void(const ClaimGrant&)> hand_back)
      : desk(index, count, std::move(hand_back)), io(*this), questions(io) {}

  static NetThread& of(const net::any_io_executor& executor) {
    return static_cast<NetContext&>(net::query(executor, net::execution::context)).thread;
  }

  JsonValidator validator;
  Desk desk;
  std::set<Sleeper*> sleepers;  // every long poll and stream: woken when the broker stops
  std::set<Connection*> connections;
  bool draining = false;
  NetContext io;  // the coroutines that go with it use the members above
  Questions questions;
};

// A handler's wait. Woken by the desk, by its peer's going, by the broker's stopping.
class Wait final : public Sleeper {
 public:
  explicit Wait(NetThread& thread) : thread_(thread), timer_(thread.io) {
    thread_.sleepers.insert(this);
  }
  ~Wait() override { thread_.sleepers.erase(this); }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  void wake() override {
    woken_ = true;
    timer_.cancel();
  }

  // Returns when woken since the last call, or when the time has come.
  Task<void> until(std::chrono::steady_clock::time_point end) {
    if (!woken_) {
      timer_.expires_at(end);
      boost::system::error_code ignored;
      co_await timer_.async_wait(net::redirect_error(net::use_awaitable, ignored));
    }
    woken_ = false;
  }

 private:
  NetThread& thread_;
  net::steady_timer timer_;
  bool woken_ = false;
};

// The client of a call under way.
class Peer {
 public:
  virtual ~Peer() = default;
  // Between watch() and unwatch() the socket is read, and `sleeper` woken when the client goes.
  virtual void watch(Sleeper& sleeper) = 0;
  virtual Task<void> unwatch() = 0;
  virtual bool gone() const = 0;
  // For streams: false when the client is gone.
  virtual Task<bool> send(std::string_view bytes) = 0;
  virtual void abort() = 0;
};

struct Call {
  Services& services;
  NetThread& thread;
  Request& request;
  const RouteMatch& match;
  Peer& peer;

  api::UnknownMembers unknown() const {
    return request.protocol_1 ? api::UnknownMembers::kIgnore : api::UnknownMembers::kRefuse;
  }
};

// Hands `value` to a coroutine's handler on the thread it belongs to.
template <typename Handler, typename T>
void resume_with(const net::any_io_executor& executor, Handler handler, T value) {
  net::post(executor, [handler = std::move(handler), value = std::move(value)]() mutable {
    handler(std::move(value));
  });
}

// An engine step that a coroutine waits for.
template <typename Run, typename Continuation>
class Step final : public Question {
 public:
  using Reply = std::invoke_result_t<Run&, Engine&, Now, RecordSink&>;

  // `run` outlives the step.
  Step(Questions& from, Run& run, Continuation continuation)
      : from_(from), run_(run), continuation_(std::move(continuation)) {}
  void run(Engine& engine, Now now, RecordSink& sink) override {
    reply_.emplace(run_(engine, now, sink));
  }
  void done(std::unique_ptr<Command> self) override {
    self.release();
    from_.add_answered(std::unique_ptr<Question>(this));
  }
  void answer() override { continuation_(std::move(*reply_)); }

 private:
  Questions& from_;
  Run& run_;
  Continuation continuation_;
  std::optional<Reply> reply_;
};

// One engine step; continues when everything the step could have seen is durable. `run` may borrow
// from the coroutine: it has run when this returns, and the loop is stopped before coroutines are
// destroyed.
template <typename Run>
Task<std::invoke_result_t<Run&, Engine&, Now, RecordSink&>> ask(EngineLoop& loop, Run run) {
  using Reply = std::invoke_result_t<Run&, Engine&, Now, RecordSink&>;
  Questions& questions = NetThread::of(co_await net::this_coro::executor).questions;
  auto initiate = [&loop, &questions, &run](auto handler) {
    using Asked = Step<Run, decltype(handler)>;
    questions.ask(loop, std::make_unique<Asked>(questions, run, std::move(handler)));
  };
  net::use_awaitable_t<> token;
  co_return co_await net::async_initiate<net::use_awaitable_t<>, void(Reply)>(initiate, token);
}

// Runs `read` on the readers' pool.
template <typename Read>
Task<std::invoke_result_t<Read&>> on_reader(net::thread_pool& readers, Read read) {
  using Reply = std::invoke_result_t<Read&>;
  net::any_io_executor executor = co_await net::this_coro::executor;
  auto initiate = [&readers, &read, executor](auto handler) {
    net::post(readers, [handler = std::move(handler), read = std::move(read), executor]() mutable {
      resume_with(executor, std::move(handler), read());
    });
  };
  net::use_awaitable_t<> token;
  co_return co_await net::async_initiate<net::use_awaitable_t<>, void(Reply)>(initiate, token);
}

}  // namespace sluice::broker
