// Many HTTP/1.1 connections on one thread, with little work of their own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::bench {

using BenchClock = std::chrono::steady_clock;

// Ends the process with a message; the broker it started goes with it (broker_process.h).
[[noreturn]] void die(std::string_view what);

struct Reply {
  int status = 0;
  std::string_view body;  // until the handler returns
};

std::string make_request(std::string_view method, std::string_view target, std::string_view body);

// One outstanding request a connection. Whatever a healthy broker does not do ends the process.
//
// Threads: one.
class ClientLoop {
 public:
  using Handler = std::function<void(std::size_t connection, const Reply& reply)>;

  explicit ClientLoop(std::uint16_t port);
  ~ClientLoop();
  ClientLoop(const ClientLoop&) = delete;
  ClientLoop& operator=(const ClientLoop&) = delete;

  // Opens `count` connections, numbered from 0 in the order of opening.
  void connect(std::size_t count);
  std::size_t connections() const { return connections_.size(); }

  // Requires: the connection has no request under way.
  void send(std::size_t connection, std::string_view request);

  // Waits for replies, until `until` at the latest, and handles those that came. The handler may
  // send.
  void poll(std::optional<BenchClock::time_point> until, const Handler& handler);

  // Waits while nothing is under way.
  void rest(BenchClock::duration duration);

  // One request and its reply on the first connection, for steps that are not measured.
  std::string call(std::string_view method, std::string_view target, std::string_view body,
                   int want_status);

 private:
  struct Connection;

  void flush(Connection& connection);
  void receive(std::size_t index, const Handler& handler);

  std::uint16_t port_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace sluice::bench
