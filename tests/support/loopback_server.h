// A TCP server that does exactly what a test says, byte for byte.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sluice::testing {

struct ReceivedRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// One accepted connection, for the handler that serves it.
class LoopbackPeer {
 public:
  explicit LoopbackPeer(int socket) : socket_(socket) {}

  // False when the client has closed.
  bool read_request(ReceivedRequest& request);
  // False when the client is gone.
  bool write(std::string_view bytes);
  // A whole reply with its Content-Length.
  bool reply(int status, std::string_view body);
  // True once the client has closed or sent something; waits for it.
  bool wait_until_readable();

 private:
  bool read_more();

  int socket_;
  std::string buffer_;
};

// Serves each connection by `serve` on a thread of its own; the connection closes when it returns.
// The destructor closes them all and waits for their threads.
class LoopbackServer {
 public:
  using Serve = std::function<void(LoopbackPeer& peer, int connection_number)>;

  // `port` 0 takes any. `host` is 127.0.0.1 or ::1.
  explicit LoopbackServer(Serve serve, int port = 0, std::string_view host = "127.0.0.1");
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  bool is_listening() const { return listener_ >= 0; }
  int port() const { return port_; }
  std::string url() const;
  int connections() const { return connections_; }

 private:
  void accept_all();

  const Serve serve_;
  const std::string host_;
  int port_ = 0;  // before listener_, whose making sets it
  int listener_ = -1;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::vector<int> sockets_;  // of connections under way
  std::vector<std::thread> serving_;
  std::thread accepting_;
};

// A loopback port nobody listens on.
int unused_port();

}  // namespace sluice::testing
