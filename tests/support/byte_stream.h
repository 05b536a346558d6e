// A blocking TCP connection, with TLS or without, for servers and proxies of tests.
#pragma once

#include <memory>
#include <string>
#include <string_view>

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace sluice::testing {

struct TlsIdentity {
  std::string certificate_pem = {};
  std::string key_pem = {};
  std::string ca_pem = {};  // whom to trust; none: anybody
};

// TLS for one side of connections.
class TlsContext {
 public:
  enum class Side { kServer, kClient };
  TlsContext(Side side, const TlsIdentity& identity);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  SSL_CTX* native() const { return context_; }

 private:
  SSL_CTX* context_;
};

// One thread; shutdown() and reset() any.
class ByteStream {
 public:
  // Null when the peer cannot be reached, or the handshake fails. `tls` null: plain.
  static std::unique_ptr<ByteStream> connect(const std::string& host, int port,
                                             const TlsContext* tls);
  // Takes the accepted socket.
  static std::unique_ptr<ByteStream> accept(int socket, const TlsContext* tls);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // Appends what comes next; false at the end.
  bool read_some(std::string& into);
  bool write(std::string_view bytes);
  // Wakes a blocked read: the connection is over.
  void shutdown();
  // The same with a reset instead of an orderly end.
  void reset();

  bool has_unread() const;  // decrypted already
  int descriptor() const { return socket_; }
  // What a TLS client showed and asked for; empty when it did not.
  std::string peer_common_name() const;
  std::string requested_server_name() const;

 private:
  ByteStream(int socket, SSL* tls) : socket_(socket), tls_(tls) {}

  int socket_;
  SSL* tls_;
};

// A listening loopback socket and its port.
struct Listener {
  int socket = -1;
  int port = 0;
};
Listener listen_on_loopback();

}  // namespace sluice::testing
