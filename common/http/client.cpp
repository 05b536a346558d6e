#include "common/http/client.h"

#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "common/http/bearer_token.h"
#include "common/http/connection.h"
#include "common/http/tls_trust.h"

namespace sluice::http {
namespace {

Request with_token(Request request, const std::string& token) {
  if (!token.empty()) request.headers.try_emplace("Authorization", "Bearer " + token);
  return request;
}

}  // namespace

// The connections, idle ones and those that a call is using, and what they are opened with.
class Client::Transport {
 public:
  Transport(Url url, ClientOptions options)
      : url_(std::move(url)), options_(std::move(options)), trust_(options_), token_(options_) {}

  // A call's hold on a connection; gives it back at its end.
  class Hold {
   public:
    Hold(Transport& transport, std::unique_ptr<Connection> connection, bool was_idle)
        : transport_(transport), connection_(std::move(connection)), was_idle_(was_idle) {}
    ~Hold() { transport_.give_back(std::move(connection_), reusable_); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

    Connection* operator->() { return connection_.get(); }
    bool was_idle() const { return was_idle_; }
    void keep() { reusable_ = true; }

   private:
    Transport& transport_;
    std::unique_ptr<Connection> connection_;
    bool was_idle_;
    bool reusable_ = false;
  };

  Hold hold(bool fresh) {
    const std::scoped_lock lock(mutex_);
    std::unique_ptr<Connection> connection;
    while (!fresh && !connection && !idle_.empty()) {
      // The youngest: the oldest are the likeliest to be closed by the peer soon.
      if (idle_.back()->is_quiet()) connection = std::move(idle_.back());
      idle_.pop_back();
    }
    const bool was_idle = connection != nullptr;
    if (!was_idle) connection = std::make_unique<Connection>(url_, trust_, options_);
    in_use_.insert(connection.get());
    if (cancelled_) connection->cancel();
    return Hold(*this, std::move(connection), was_idle);
  }

  BearerToken& token() { return token_; }

  Result<Response> send(const Request& request, bool repeatable, Connection::Deadline deadline) {
    for (bool fresh = false;; fresh = true) {
      Hold connection = hold(fresh);
      if (!connection.was_idle()) {
        if (Status opened = connection->open(deadline); !opened) return std::move(opened).error();
      }
      Connection::Exchange exchange = connection->exchange(request, deadline);
      if (exchange.reusable) connection.keep();
      if (exchange.response) return std::move(exchange.response);

      const bool closed_while_idle = connection.was_idle() && !exchange.reply_began &&
                                     exchange.response.error().code == ErrorCode::kUnavailable;
      if (!closed_while_idle || !repeatable) return std::move(exchange.response);
    }
  }

  Status stream_lines(const Request& request, Connection::Deadline deadline, Duration idle,
                      const std::function<bool(std::string_view line)>& on_line) {
    Hold connection = hold(/*fresh=*/true);
    if (Status opened = connection->open(deadline); !opened) return opened;
    return connection->stream_lines(request, deadline, idle, on_line);
  }

  void cancel() {
    const std::scoped_lock lock(mutex_);
    cancelled_ = true;
    idle_.clear();
    for (Connection* connection : in_use_) connection->cancel();
  }

 private:
  void give_back(std::unique_ptr<Connection> connection, bool reusable) {
    const std::scoped_lock lock(mutex_);
    in_use_.erase(connection.get());
    if (reusable && !cancelled_ && idle_.size() < kIdleConnectionsMax) {
      idle_.push_back(std::move(connection));
    }
  }

  const Url url_;
  const ClientOptions options_;
  TlsTrust trust_;
  BearerToken token_;
  std::mutex mutex_;
  bool cancelled_ = false;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::set<Connection*> in_use_;
};

Client::Client(Url url, ClientOptions options)
    : transport_(std::make_unique<Transport>(std::move(url), std::move(options))) {}
Client::~Client() = default;

Result<Response> Client::send(const Request& request, bool repeatable) {
  const auto deadline = std::chrono::steady_clock::now() + request.timeout;
  auto token = transport_->token().get();
  if (!token) return std::move(token).error();
  if (token->empty()) return transport_->send(request, repeatable, deadline);

  auto response = transport_->send(with_token(request, *token), repeatable, deadline);
  if (!response || response->status != 401) return response;
  // Refused before anything was done, so that even what may not be repeated may be sent again.
  const auto fresh = transport_->token().get(/*fresh=*/true);
  if (!fresh || *fresh == *token) return response;
  return transport_->send(with_token(request, *fresh), repeatable, deadline);
}

Status Client::stream_lines(const Request& request, Duration idle,
                            const std::function<bool(std::string_view line)>& on_line) {
  const auto deadline = std::chrono::steady_clock::now() + request.timeout;
  const auto token = transport_->token().get();
  if (!token) return token.error();
  Status ended = transport_->stream_lines(with_token(request, *token), deadline, idle, on_line);
  if (ended || ended.error().code != ErrorCode::kUnauthenticated) return ended;
  const auto fresh = transport_->token().get(/*fresh=*/true);
  if (!fresh || *fresh == *token) return ended;
  return transport_->stream_lines(with_token(request, *fresh), deadline, idle, on_line);
}

void Client::cancel() {
  transport_->cancel();
}

}  // namespace sluice::http
