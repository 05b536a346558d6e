// An HTTP server on loopback, with TLS or without, that does exactly what a test says.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "tests/support/byte_stream.h"
#include "tests/support/http_text.h"

namespace sluice::testing {

// One accepted connection, for the handler that serves it.
class TlsPeer {
 public:
  explicit TlsPeer(ByteStream& stream) : stream_(stream) {}

  std::optional<ReceivedRequest> read_request() { return testing::read_request(stream_, buffer_); }
  bool reply(int status, std::string_view body,
             const std::map<std::string, std::string>& headers = {}) {
    return stream_.write(answer_text(status, body, headers));
  }
  // A 200 answer of unknown length, to be followed by chunk()s and end_chunks().
  bool start_chunks() {
    return stream_.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  bool chunk(std::string_view bytes) { return stream_.write(chunk_text(bytes)); }
  bool end_chunks() { return stream_.write("0\r\n\r\n"); }
  bool write(std::string_view bytes) { return stream_.write(bytes); }
  void reset() { stream_.reset(); }
  // Blocks until the client has closed, or sent something unasked for.
  void wait_until_closed() {
    std::string ignored;
    stream_.read_some(ignored);
  }
  ByteStream& stream() { return stream_; }

 private:
  ByteStream& stream_;
  std::string buffer_;
};

// Serves each connection by `serve` on a thread of its own; the connection closes when it returns.
// The destructor closes them all and waits for their threads.
class TlsServer {
 public:
  using Serve = std::function<void(TlsPeer& peer)>;

  // Without an identity it speaks plain HTTP. A given ca_pem asks clients for certificates.
  TlsServer(const std::optional<TlsIdentity>& identity, Serve serve);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  int port() const { return listener_.port; }
  // "https://127.0.0.1:PORT", with another host if named.
  std::string url(std::string_view host = "127.0.0.1") const;
  // Accepted so far, handshake done or not.
  int connections() const { return connections_; }

 private:
  void accept_all();
  void serve_one(int socket);

  const std::unique_ptr<TlsContext> tls_;
  const Serve serve_;
  const Listener listener_;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::list<int> sockets_;  // of connections under way
  std::list<std::thread> serving_;
  std::thread accepting_;
};

}  // namespace sluice::testing
