#include "broker/server/server.h"

#include <sys/resource.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "broker/server/access_control.h"
#include "broker/server/backup_desk.h"
#include "broker/server/connection.h"
#include "common/base/log.h"

namespace sluice::broker {
namespace {

using net::ip::tcp;
using SystemError = boost::system::error_code;

constexpr int kBacklog = 4096;
constexpr int kReaderThreads = 2;
constexpr auto kSweepEvery = std::chrono::seconds{1};
constexpr auto kAcceptRetry = std::chrono::milliseconds{100};

// Connections, and some for the store's files.
void raise_file_limit() {
  constexpr rlim_t kWanted = limits::kConnectionsMax + 1024;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(kWanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < kWanted) {
    log_warn("file limit is low", {{"files", static_cast<std::uint64_t>(limit.rlim_cur)}});
  }
}

// How many connections there are, and a way to wait until there are none.
class ConnectionCount {
 public:
  bool add() {
    const std::lock_guard lock(mutex_);
    if (count_ == limits::kConnectionsMax) return false;
    ++count_;
    return true;
  }
  void remove() {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  bool wait_for_none(std::chrono::seconds time) {
    std::unique_lock lock(mutex_);
    return none_.wait_for(lock, time, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  std::size_t count_ = 0;
};

// As what Asio asks it to be.
net::io_context& io_of(NetThread& thread) {
  return thread.io;
}

Task<void> serve(tcp::socket socket, TlsSession session, NetThread& thread, Services& services,
                 const ConnectionTimes& times, ConnectionCount& count) {
  {
    Connection connection(std::move(socket), std::move(session), thread, services, times);
    co_await connection.run();
  }
  count.remove();
}

Task<void> sweep_for_ever(NetThread& thread) {
  net::steady_timer timer(thread.io);
  while (true) {
    timer.expires_after(kSweepEvery);
    co_await timer.async_wait(net::use_awaitable);
    const auto now = std::chrono::steady_clock::now();
    for (Connection* connection : thread.connections) connection->sweep(now);
  }
}

}  // namespace

class Server::Running {
 public:
  Running(Engine& engine, Store& store, const Clock& clock, ServerOptions options)
      : options_(std::move(options)),
        loop_(engine, store, clock, hub_),
        disk_([&store] { return store.free_bytes(); }, clock, options_.disk_reserve_bytes),
        store_(store),
        clock_(clock),
        services_{loop_, store, clock, directory_, disk_, metrics_, readers_},
        callbacks_(loop_, store, clock, options_.callbacks) {
    hub_.set_deliverer([this](const QueueName& queue, QueueNumber number) {
      directory_.put(queue, {number, 0});  // nobody but the engine puts a job there
      callbacks_.wake(queue, number);
    });
    if (options_.tls) keys_.emplace(options_.tls->certificate, options_.tls->key);
    if (options_.access) access_.emplace(*options_.access, clock);
    services_.access = access_ ? &*access_ : nullptr;
    services_.loopback_names_only = !access_ && !options_.insecure_listen;
    const auto count = static_cast<std::size_t>(options_.threads);
    for (std::size_t i = 0; i < count; ++i) {
      threads_.push_back(std::make_unique<NetThread>(
          i, count, [this](const ClaimGrant& grant) { hand_back(grant); }));
      NetThread& thread = *threads_.back();
      hub_.add_desk(
          thread.desk,
          [&thread](std::function<void()> work) { net::post(io_of(thread), std::move(work)); },
          [&thread] { thread.questions.send_answered(); });
    }
    acceptor_.emplace(threads_.front()->io);
  }

  Status start() {
    if (keys_) {
      if (auto status = keys_->load(); !status) return status;
    }
    if (auto status = open_backups(); !status) return status;
    if (auto status = bind(); !status) return status;
    raise_file_limit();
    loop_.start();
    started_ = true;
    fill_directory();
    for (const auto& thread : threads_) {
      net::co_spawn(io_of(*thread), sweep_for_ever(*thread), net::detached);
      runners_.emplace_back([&io = thread->io] { io.run(); });
    }
    net::co_spawn(io_of(*threads_.front()), accept_for_ever(), net::detached);
    return Ok{};
  }

  std::uint16_t port() const { return port_; }

  void stop() {
    if (!started_) return;
    started_ = false;
    net::post(io_of(*threads_.front()), [this] {
      SystemError ignored;
      acceptor_->close(ignored);
    });
    on_every_thread([](NetThread& thread) {
      thread.draining = true;
      for (Sleeper* sleeper : thread.sleepers) sleeper->wake();
      for (Connection* connection : thread.connections) connection->drain();
    });
    if (!count_.wait_for_none(limits::kShutdownMax)) {
      log_warn("requests cut off at shutdown");
      on_every_thread([](NetThread& thread) {
        for (Connection* connection : thread.connections) connection->abort();
      });
      count_.wait_for_none(limits::kLingerMax);
    }
    callbacks_.stop();
    loop_.stop();
    readers_.join();
    backup_thread_.join();
    if (access_) access_->stop();
    for (const auto& thread : threads_) thread->io.stop();
    for (std::thread& runner : runners_) runner.join();
  }

 private:
  Status open_backups() {
    if (options_.backup_folder.empty()) return Ok{};
    auto folder = BackupFolder::open(options_.backup_folder);
    if (!folder) return std::move(folder).error();
    backups_.emplace(*std::move(folder), store_, clock_, options_.disk_reserve_bytes);
    services_.backups = &*backups_;
    services_.backup_thread = &backup_thread_;
    return Ok{};
  }

  Status bind() {
    SystemError error;
    const auto address = net::ip::make_address(options_.address, error);
    if (error) {
      return Error{ErrorCode::kInvalidArgument, "not an IP address: " + options_.address,
                   kListenField};
    }
    if (!address.is_loopback() && !access_ && !options_.insecure_listen) {
      return Error{ErrorCode::kInvalidArgument,
                   "refusing to listen on " + options_.address +
                       ": without authentication only loopback addresses may be bound "
                       "(--auth kubernetes, or --insecure-listen if you mean it)",
                   kListenField};
    }
    if (!address.is_loopback() && !keys_) {
      log_warn("requests and tokens travel in the clear", {{"address", options_.address}});
    }
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(kBacklog, error);
    if (error) {
      return Error{ErrorCode::kUnavailable,
                   "cannot listen on " + options_.address + ":" + std::to_string(options_.port) +
                       ": " + error.message(),
                   kListenField};
    }
    port_ = acceptor_->local_endpoint().port();
    return Ok{};
  }

  void fill_directory() {
    std::promise<void> filled;
    loop_.submit([](Engine& engine, Now now, RecordSink&) { return engine.queues(now); },
                 [this, &filled](const std::vector<QueueView>& queues) {
                   for (const QueueView& queue : queues) {
                     directory_.put(queue.name, {queue.number, queue.spec.payload.max_bytes});
                   }
                   filled.set_value();
                 });
    filled.get_future().wait();
  }

  Task<void> accept_for_ever() {
    for (std::size_t next = 0;; ++next) {
      NetThread& thread = *threads_[next % threads_.size()];
      tcp::socket socket(thread.io);
      SystemError error;
      co_await acceptor_->async_accept(socket, net::redirect_error(net::use_awaitable, error));
      if (!acceptor_->is_open()) co_return;
      if (error) {
        // Out of files, or the client went again: others may have better luck in a moment.
        net::steady_timer pause(threads_.front()->io, kAcceptRetry);
        co_await pause.async_wait(net::redirect_error(net::use_awaitable, error));
        continue;
      }
      if (!count_.add()) continue;
      socket.set_option(tcp::no_delay(true), error);
      TlsSession session = keys_ ? keys_->new_session() : nullptr;
      if (keys_ && !session) {
        count_.remove();
        continue;
      }
      net::co_spawn(
          io_of(thread),
          serve(std::move(socket), std::move(session), thread, services_, options_.times, count_),
          net::detached);
    }
  }

  template <typename Work>
  void on_every_thread(Work work) {
    for (const auto& thread : threads_) {
      net::post(io_of(*thread), [work, &t = *thread] { work(t); });
    }
  }

  void hand_back(const ClaimGrant& grant) {
    const auto queue = directory_.name_of(grant.queue);
    if (!queue) return;  // purged, and its jobs with it
    loop_.submit(
        [queue = *queue, claim = grant.claim](Engine& engine, Now now, RecordSink& sink) {
          engine.hand_back(queue, claim, now, sink);
        },
        [] {});
  }

  const ServerOptions options_;
  Hub hub_;
  EngineLoop loop_;
  QueueDirectory directory_;
  DiskGuard disk_;
  Metrics metrics_;
  net::thread_pool readers_{kReaderThreads};
  std::optional<TlsKeys> keys_;  // on the thread that accepts
  std::optional<AccessControl> access_;
  Store& store_;
  const Clock& clock_;
  std::optional<BackupDesk> backups_;
  net::thread_pool backup_thread_{1};
  Services services_;
  CallbackSender callbacks_;
  ConnectionCount count_;
  std::vector<std::unique_ptr<NetThread>> threads_;
  std::optional<tcp::acceptor> acceptor_;
  std::vector<std::thread> runners_;
  std::uint16_t port_ = 0;
  bool started_ = false;
};

Server::Server(Engine& engine, Store& store, const Clock& clock, ServerOptions options)
    : running_(std::make_unique<Running>(engine, store, clock, std::move(options))) {}

Server::~Server() = default;

Status Server::start() {
  return running_->start();
}
std::uint16_t Server::port() const {
  return running_->port();
}
void Server::stop() {
  running_->stop();
}

}  // namespace sluice::broker
