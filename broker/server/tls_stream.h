// A socket's bytes through TLS. Included by this folder's .cpp files alone.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "broker/server/coro.h"
#include "broker/server/tls_keys.h"

namespace sluice::broker {

// OpenSSL works on the socket itself, which is waited for when it would block: an idle connection
// holds none of the buffers that a stream between socket and caller would need.
//
// Lives on one network thread beside its socket. The socket may be closed at any time.
class TlsStream {
 public:
  using SystemError = boost::system::error_code;
  using OnRead = std::function<void(SystemError, std::size_t)>;

  // `socket` outlives it.
  TlsStream(net::ip::tcp::socket& socket, TlsSession session);

  // False when the client is not understood, or gone.
  Task<bool> handshake();
  Task<std::size_t> read_some(net::mutable_buffer space, SystemError& error);
  // Takes from the front of both; how many bytes were handed to the kernel.
  Task<std::size_t> write_some(std::string_view head, std::string_view body, SystemError& error);

  // As read_some, for who does not wait. One at a time; cancel_read() ends it with
  // operation_aborted, or lets what was read already come through.
  void start_read(net::mutable_buffer space, OnRead on_read);
  void cancel_read();

  // Says goodbye, as far as that is possible without waiting.
  void shut_down();

 private:
  enum class Outcome { kDone, kWantsRead, kWantsWrite, kClosed, kFailed };

  static SystemError end_of(Outcome outcome);
  // One OpenSSL call; `count` is what it moved.
  template <typename Call>
  Outcome attempt(const Call& call, std::size_t& count);
  // Until it is done; waits for the socket in between.
  template <typename Call>
  Task<std::size_t> run(Call call, SystemError& error);
  Outcome read_once(net::mutable_buffer space, std::size_t& count);
  // A client that sends as fast as we read must not keep the thread for itself.
  Task<void> be_fair();

  net::ip::tcp::socket& socket_;
  TlsSession session_;
  int calls_without_wait_ = 0;
  bool read_cancelled_ = false;
};

}  // namespace sluice::broker
