#include "common/http/connection.h"

#include <openssl/ssl.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <cctype>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "common/http/line_splitter.h"
#include "common/http/problem.h"
#include "common/http/resolve.h"

namespace sluice::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {

constexpr std::size_t kProblemBytesMax = 64 * 1024;
constexpr std::uint32_t kHeaderBytesMax = 64 * 1024;
constexpr std::size_t kStreamReadBytes = 16 * 1024;

using StringParser = beast::http::response_parser<beast::http::string_body>;
using BufferParser = beast::http::response_parser<beast::http::buffer_body>;
using BeastRequest = beast::http::request<beast::http::string_body>;

std::string authority(const Url& url) {
  const bool is_ipv6 = url.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + url.host + "]" : url.host) + ":" + url.port;
}

BeastRequest to_beast(const Request& request, const Url& url) {
  BeastRequest message;
  message.version(11);
  message.method_string(request.method);
  message.target(url.base_path + request.target);
  message.set(beast::http::field::host, authority(url));
  message.set(beast::http::field::user_agent, "sluice");
  if (!request.body.empty()) message.set(beast::http::field::content_type, "application/json");
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

Response to_response(beast::http::response<beast::http::string_body>&& message) {
  Response response;
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    std::string& value = response.headers[std::move(name)];
    if (!value.empty()) value += ", ";
    value.append(field.value().data(), field.value().size());
  }
  response.body = std::move(message.body());
  return response;
}

std::string in_lower_case(std::string text) {
  const bool is_acronym = text.size() > 1 && std::isupper(static_cast<unsigned char>(text[1])) != 0;
  if (!text.empty() && !is_acronym)
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

bool is_end_of_peer(const error_code& error) {
  return error == asio::error::eof || error == asio::error::connection_reset ||
         error == asio::error::broken_pipe || error == asio::ssl::error::stream_truncated ||
         error == beast::http::error::end_of_stream || error == beast::http::error::partial_message;
}

}  // namespace

// The socket, TLS over it where the URL says so, and the loop that drives both. Operations are
// asynchronous inside, because only those can be ended by a deadline or by another thread.
class Connection::Link {
 public:
  Link(const Url& url, TlsTrust& trust, const ClientOptions& options)
      : url_(url), trust_(trust), options_(options), socket_(io_) {}

  // Starts an operation and runs the loop until it ends; closes the socket when time is up.
  template <typename Start>
  error_code run(Deadline deadline, const Start& start) {
    if (cancelled_) return asio::error::operation_aborted;
    error_code outcome;
    bool done = false;
    start([&](const error_code& error, auto&&...) {
      outcome = error;
      done = true;
    });
    io_.restart();
    while (!done && io_.run_one_until(deadline) != 0) {
    }
    if (done) return outcome;

    close();
    while (!done) {  // the handler refers to our frame, and comes soon, as the socket is closed
      io_.restart();
      io_.run_one();
    }
    return asio::error::timed_out;
  }

  void cancel() {
    cancelled_ = true;
    lookup_.cancel();
    asio::post(io_, [this] { close(); });
  }

  void close() {
    error_code ignored;
    socket_.close(ignored);
  }

  Error error_of(const error_code& error) const {
    const std::string where = url_.scheme + "://" + authority(url_);
    if (cancelled_) return {ErrorCode::kUnavailable, "the call to " + where + " was cancelled"};
    if (error == asio::error::timed_out) {
      return {ErrorCode::kDeadlineExceeded, where + " did not answer in time"};
    }
    if (error == beast::http::error::body_limit || error == beast::http::error::header_limit) {
      return {ErrorCode::kTooLarge, "the reply of " + where + " is too large"};
    }
    if (is_end_of_peer(error)) {
      return {ErrorCode::kUnavailable, where + " closed the connection"};
    }
    return {ErrorCode::kUnavailable, where + ": " + in_lower_case(error.message())};
  }

  Error cannot_reach(ErrorCode code, const std::string& why) const {
    return {code,
            "cannot reach " + url_.scheme + "://" + authority(url_) + ": " + in_lower_case(why)};
  }

  Status open(Deadline deadline);
  Exchange exchange(const Request& request, Deadline deadline);
  Status stream_lines(const Request& request, Deadline deadline, Duration idle,
                      const std::function<bool(std::string_view)>& on_line);
  tcp::socket& socket() { return socket_; }

 private:
  // As run(); `start` takes the stream that HTTP is spoken over, and the handler.
  template <typename Start>
  error_code run_on_stream(Deadline deadline, const Start& start) {
    return run(deadline, [&](auto handler) {
      if (tls_) {
        start(*tls_, std::move(handler));
      } else {
        start(socket_, std::move(handler));
      }
    });
  }
  error_code write(const BeastRequest& message, Deadline deadline) {
    return run_on_stream(deadline, [&](auto& stream, auto handler) {
      beast::http::async_write(stream, message, std::move(handler));
    });
  }
  Status connect(Deadline deadline);
  Status begin_tls(Deadline deadline);
  // One read into `chunk`; returns how many bytes of body came.
  std::size_t read_body(BufferParser& parser, std::span<char> chunk, Deadline deadline,
                        error_code& error);
  Error refusal(BufferParser& parser, Deadline deadline);

  const Url& url_;
  TlsTrust& trust_;
  const ClientOptions& options_;
  asio::io_context io_;
  tcp::socket socket_;
  std::optional<asio::ssl::stream<tcp::socket&>> tls_;
  beast::flat_buffer buffer_;
  AddressLookup lookup_;
  std::atomic<bool> cancelled_{false};
};

Status Connection::Link::open(Deadline deadline) {
  Status connected = connect(deadline);
  return connected && url_.scheme == "https" ? begin_tls(deadline) : connected;
}

Status Connection::Link::connect(Deadline deadline) {
  const auto addresses = lookup_.find(url_.host, deadline);
  if (!addresses) return cannot_reach(addresses.error().code, addresses.error().message);
  const auto port = static_cast<std::uint16_t>(std::stoul(url_.port));

  error_code failure;  // of the first address, which is the preferred one
  for (const std::string& text : *addresses) {
    if (options_.may_connect && !options_.may_connect(text)) {
      return cannot_reach(ErrorCode::kPermissionDenied, "its address " + text + " is not allowed");
    }
    error_code error;
    const auto address = asio::ip::make_address(text, error);
    if (!error) {
      close();
      error = run(deadline, [&](auto handler) {
        socket_.async_connect(tcp::endpoint(address, port), std::move(handler));
      });
    }
    if (!error) {
      socket_.set_option(tcp::no_delay(true), error);
      return Ok{};
    }
    if (!failure || error == asio::error::timed_out) failure = error;
    if (error == asio::error::timed_out) break;
  }
  if (cancelled_) return error_of(failure);
  const bool timed_out = failure == asio::error::timed_out;
  return cannot_reach(timed_out ? ErrorCode::kDeadlineExceeded : ErrorCode::kUnavailable,
                      timed_out ? "it did not answer in time" : failure.message());
}

Status Connection::Link::begin_tls(Deadline deadline) {
  const auto trusted = trust_.context();
  if (!trusted) return cannot_reach(trusted.error().code, trusted.error().message);
  SSL_CTX_up_ref(trusted->get());
  asio::ssl::context context(trusted->get());  // gives its reference back; the session has its own
  tls_.emplace(socket_, context);
  SSL* session = tls_->native_handle();
  if (Status expected = trust_.expect_host(session, url_.host); !expected) {
    return cannot_reach(expected.error().code, expected.error().message);
  }
  const error_code error = run(deadline, [&](auto handler) {
    tls_->async_handshake(asio::ssl::stream_base::client, std::move(handler));
  });
  if (!error) return Ok{};
  if (cancelled_ || error == asio::error::timed_out) return error_of(error);
  const std::string problem = certificate_problem(session);
  if (!problem.empty()) {
    return cannot_reach(ErrorCode::kUnavailable, "its certificate is not trusted: " + problem);
  }
  return cannot_reach(ErrorCode::kUnavailable, "TLS: " + error.message());
}

Connection::Exchange Connection::Link::exchange(const Request& request, Deadline deadline) {
  const BeastRequest message = to_beast(request, url_);
  StringParser parser;
  parser.body_limit(options_.response_bytes_max);
  parser.header_limit(kHeaderBytesMax);
  if (message.method() == beast::http::verb::head) parser.skip(true);

  // A server that refuses a body early answers and closes while we still write, so that a broken
  // write is followed by a look at what it said.
  error_code error = write(message, deadline);
  if (!error || is_end_of_peer(error)) {
    const error_code write_error = error;
    error = run_on_stream(deadline, [&](auto& stream, auto handler) {
      beast::http::async_read(stream, buffer_, parser, std::move(handler));
    });
    if (error && write_error && !parser.got_some()) error = write_error;
  }
  if (error) return {error_of(error), parser.got_some(), false};
  const bool reusable = parser.get().keep_alive() && buffer_.size() == 0;
  return {to_response(parser.release()), true, reusable};
}

std::size_t Connection::Link::read_body(BufferParser& parser, std::span<char> chunk,
                                        Deadline deadline, error_code& error) {
  auto& body = parser.get().body();
  body.data = chunk.data();
  body.size = chunk.size();
  error = run_on_stream(deadline, [&](auto& stream, auto handler) {
    beast::http::async_read_some(stream, buffer_, parser, std::move(handler));
  });
  if (error == beast::http::error::need_buffer) error = {};
  return chunk.size() - body.size;
}

Error Connection::Link::refusal(BufferParser& parser, Deadline deadline) {
  std::string text;
  std::array<char, 4096> chunk;
  error_code error;
  while (!error && !parser.is_done() && text.size() < kProblemBytesMax) {
    text.append(chunk.data(), read_body(parser, chunk, deadline, error));
  }
  return error_of_reply(static_cast<int>(parser.get().result_int()), text);
}

Status Connection::Link::stream_lines(const Request& request, Deadline deadline, Duration idle,
                                      const std::function<bool(std::string_view)>& on_line) {
  BufferParser parser;
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());
  parser.header_limit(kHeaderBytesMax);

  error_code error = write(to_beast(request, url_), deadline);
  if (!error) {
    error = run_on_stream(deadline, [&](auto& stream, auto handler) {
      beast::http::async_read_header(stream, buffer_, parser, std::move(handler));
    });
  }
  if (error) return error_of(error);
  // An eager parser would hold a line back until the chunk after it begins.
  parser.eager(false);
  if (parser.get().result_int() != 200) return refusal(parser, deadline);

  LineSplitter lines(Client::kLineBytesMax);
  std::array<char, kStreamReadBytes> chunk;
  for (;;) {
    const auto until = std::chrono::steady_clock::now() + idle;
    const std::size_t bytes = read_body(parser, chunk, until, error);
    switch (lines.feed({chunk.data(), bytes}, on_line)) {
      case LineSplitter::Fed::kStopped:
        return Ok{};
      case LineSplitter::Fed::kLineTooLong:
        return error_of(beast::http::error::body_limit);
      case LineSplitter::Fed::kMore:
        break;
    }
    if (error) return error_of(error);
    if (parser.is_done()) return error_of(asio::error::eof);
  }
}

Connection::Connection(const Url& url, TlsTrust& trust, const ClientOptions& options)
    : link_(std::make_unique<Link>(url, trust, options)) {}
Connection::~Connection() = default;

Status Connection::open(Deadline deadline) {
  return link_->open(deadline);
}

bool Connection::is_quiet() const {
  pollfd readable{link_->socket().native_handle(), POLLIN, 0};
  return poll(&readable, 1, 0) == 0;
}

Connection::Exchange Connection::exchange(const Request& request, Deadline deadline) {
  return link_->exchange(request, deadline);
}

Status Connection::stream_lines(const Request& request, Deadline deadline, Duration idle,
                                const std::function<bool(std::string_view)>& on_line) {
  return link_->stream_lines(request, deadline, idle, on_line);
}

void Connection::cancel() {
  link_->cancel();
}

}  // namespace sluice::http
