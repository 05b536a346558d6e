// One client's connection: requests in, answers out, one after the other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/server/connection_times.h"
#include "broker/server/coro.h"
#include "broker/server/http_parser.h"
#include "broker/server/tls_stream.h"

namespace sluice::broker {

// Lives on one network thread, in the frame of the coroutine that runs it. Holds the client to
// limits.h; closes where framing is in doubt.
class Connection final : public Peer {
 public:
  // Speaks TLS when there is a session for it. `times` outlives it.
  Connection(net::ip::tcp::socket socket, TlsSession session, NetThread& thread, Services& services,
             const ConnectionTimes& times);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Returns when the connection is closed.
  Task<void> run();

  // Closes it when its time is up.
  void sweep(std::chrono::steady_clock::time_point now);
  // The broker stops: closes it between requests; one under way is answered first.
  void drain();

  void watch(Sleeper& sleeper) override;
  Task<void> unwatch() override;
  bool gone() const override { return gone_; }
  Task<bool> send(std::string_view bytes) override;
  void abort() override;

 private:
  using Progress = HttpParser::Progress;
  class BodyMemory;

  Task<bool> serve_one();
  Task<Progress> read_header();
  Task<Progress> read_body(BodyMemory& memory);
  Task<Response> answer(Request& request, std::optional<Route>& route, bool& streamed);
  // Whether the caller may make this call; answers without the body.
  Task<std::optional<Response>> refuse_caller(const Request& request, const RouteMatch& match);
  // What refuses a request by its header alone.
  std::optional<Response> refuse_by_header(const Request& request, const RouteMatch& match,
                                           BodyMemory& memory);
  std::size_t body_bytes_max(const RouteMatch& match) const;

  // Bytes behind those that are there; false when the stream has ended.
  Task<bool> read_more();
  Progress feed();
  bool make_room(std::size_t capacity_max);
  Task<bool> write(const Request& request, Response& response, bool keep_alive);
  std::size_t send_now(std::string_view head, std::string_view body);
  Task<bool> write_all(std::string_view head, std::string_view body, std::size_t sent);
  Task<void> linger();
  void read_watched();
  void expire_after(std::chrono::steady_clock::duration time);
  void never_expire() { expires_at_ = std::chrono::steady_clock::time_point::max(); }

  net::ip::tcp::socket socket_;
  std::optional<TlsStream> tls_;
  NetThread& thread_;
  Services& services_;
  const ConnectionTimes& times_;
  HttpParser parser_;
  std::vector<char> input_;  // bytes [begin_, end_) were read and not yet parsed
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string head_;
  std::chrono::steady_clock::time_point expires_at_;
  bool between_requests_ = true;
  bool gone_ = false;
  bool lingers_ = false;  // bytes of a refused request may still come

  Sleeper* watcher_ = nullptr;
  bool watching_ = false;
  bool unwatching_ = false;
  net::steady_timer unwatched_;
};

}  // namespace sluice::broker
