#include "broker/server/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <string>

namespace sluice::broker {
namespace {

using net::ip::tcp;
using SystemError = boost::system::error_code;

constexpr std::size_t kRecordBytesMax = 16 * 1024;
constexpr int kCallsWithoutWaitMax = 32;
constexpr std::string_view kNotTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    "Content-Length: 36\r\n\r\nthis port speaks TLS: use https://\r\n";

}  // namespace

TlsStream::TlsStream(tcp::socket& socket, TlsSession session)
    : socket_(socket), session_(std::move(session)) {
  SystemError ignored;
  socket_.native_non_blocking(true, ignored);
  SSL_set_fd(session_.get(), socket_.native_handle());
}

// Success for what is done or only waits.
TlsStream::SystemError TlsStream::end_of(Outcome outcome) {
  if (outcome == Outcome::kClosed) return net::error::eof;
  if (outcome == Outcome::kFailed) return net::error::connection_reset;
  return {};
}

template <typename Call>
TlsStream::Outcome TlsStream::attempt(const Call& call, std::size_t& count) {
  // The number of a closed socket may be another connection's by now.
  if (!socket_.is_open()) return Outcome::kFailed;
  ERR_clear_error();
  const int moved = call(session_.get(), count);
  if (moved > 0) return Outcome::kDone;
  switch (SSL_get_error(session_.get(), moved)) {
    case SSL_ERROR_WANT_READ:
      return Outcome::kWantsRead;
    case SSL_ERROR_WANT_WRITE:
      return Outcome::kWantsWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::kClosed;
    default:
      return Outcome::kFailed;
  }
}

template <typename Call>
Task<std::size_t> TlsStream::run(Call call, SystemError& error) {
  co_await be_fair();
  for (;;) {
    std::size_t count = 0;
    const Outcome outcome = attempt(call, count);
    if (outcome == Outcome::kDone) co_return count;
    error = end_of(outcome);
    if (error) co_return 0;
    calls_without_wait_ = 0;
    const auto side =
        outcome == Outcome::kWantsRead ? tcp::socket::wait_read : tcp::socket::wait_write;
    co_await socket_.async_wait(side, net::redirect_error(net::use_awaitable, error));
    if (error) co_return 0;
  }
}

Task<void> TlsStream::be_fair() {
  if (++calls_without_wait_ < kCallsWithoutWaitMax) co_return;
  calls_without_wait_ = 0;
  co_await net::post(socket_.get_executor(), net::use_awaitable);
}

Task<bool> TlsStream::handshake() {
  SystemError error;
  const auto accept = [](SSL* session, std::size_t&) { return SSL_accept(session); };
  co_await run(accept, error);
  if (!error) co_return true;
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST && socket_.is_open()) {
    co_await net::async_write(socket_, net::buffer(kNotTls),
                              net::redirect_error(net::use_awaitable, error));
  }
  co_return false;
}

TlsStream::Outcome TlsStream::read_once(net::mutable_buffer space, std::size_t& count) {
  const auto read = [space](SSL* session, std::size_t& bytes) {
    return SSL_read_ex(session, space.data(), space.size(), &bytes);
  };
  return attempt(read, count);
}

Task<std::size_t> TlsStream::read_some(net::mutable_buffer space, SystemError& error) {
  const auto read = [space](SSL* session, std::size_t& count) {
    return SSL_read_ex(session, space.data(), space.size(), &count);
  };
  co_return co_await run(read, error);
}

Task<std::size_t> TlsStream::write_some(std::string_view head, std::string_view body,
                                        SystemError& error) {
  // Head and body in one record. OpenSSL wants the same bytes again after a write that blocked.
  std::string record(head.substr(0, kRecordBytesMax));
  record.append(body.substr(0, kRecordBytesMax - record.size()));
  const auto write = [&record](SSL* session, std::size_t& count) {
    return SSL_write_ex(session, record.data(), record.size(), &count);
  };
  co_return co_await run(write, error);
}

void TlsStream::start_read(net::mutable_buffer space, OnRead on_read) {
  std::size_t count = 0;
  const Outcome outcome = read_once(space, count);
  if (outcome == Outcome::kWantsRead || outcome == Outcome::kWantsWrite) {
    const auto side =
        outcome == Outcome::kWantsRead ? tcp::socket::wait_read : tcp::socket::wait_write;
    read_cancelled_ = false;
    socket_.async_wait(side, [this, space, on_read = std::move(on_read)](SystemError error) {
      if (!error && read_cancelled_) error = net::error::operation_aborted;
      if (error) {
        on_read(error, 0);
      } else {
        start_read(space, on_read);
      }
    });
    return;
  }
  net::post(socket_.get_executor(), [on_read = std::move(on_read), error = end_of(outcome), count] {
    on_read(error, count);
  });
}

void TlsStream::cancel_read() {
  read_cancelled_ = true;
  SystemError ignored;
  socket_.cancel(ignored);
}

void TlsStream::shut_down() {
  if (!socket_.is_open() || SSL_is_init_finished(session_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(session_.get());
  ERR_clear_error();
}

}  // namespace sluice::broker
