// A blocking HTTP/1.1 client over kept-alive connections, for the worker, the operator and the
// command line. Beast stays behind it, so that the worker can be one static binary.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::http {

// "http://HOST:PORT[/base]", or https; IPv6 hosts in brackets.
struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;
  std::string port;
  std::string base_path;  // without a trailing slash
};
Result<Url> parse_url(std::string_view text);

// A URL to send one request to: where, and the request's target (path and query).
struct Target {
  Url origin;  // without a path
  std::string target;
};
// As parse_url(), but with a query; without a fragment.
Result<Target> parse_target(std::string_view text);

// Percent-encodes everything but unreserved characters, for one path segment or query value.
std::string percent_encode(std::string_view text);

struct Request {
  std::string method = "GET";
  std::string target = {};  // path and query
  std::string body = {};
  // Content-Type is application/json when there is a body and none is named.
  std::map<std::string, std::string> headers = {};
  Duration timeout = std::chrono::seconds{30};  // for the whole exchange
};

struct Response {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// Whom an https client trusts, and who it says it is. Files are read again when they have changed
// (they are swapped under a running pod); one that cannot be read fails the call, not the client.
struct ClientOptions {
  std::string ca_file = {};      // PEM certificates; https trusts these alone
  std::string ca_pem = {};       // the same as text; for where there is no file
  std::string server_name = {};  // the name in the server's certificate; empty: the URL's host
  std::string token_file = {};   // a bearer token, sent with each request
  std::string token = {};        // the same as text
  // Asked with each numeric address, after the name was resolved, before it is connected to; unset:
  // all are allowed.
  std::function<bool(const std::string& address)> may_connect = {};
  std::size_t response_bytes_max = 64 * 1024 * 1024;
};

// Any thread; each call takes a connection of its own from the pool, or opens one. A request is
// resent once, on a new connection, only when a kept-alive connection was closed before a byte of
// the reply came and the request is safe to repeat (`repeatable`). An idle connection that the peer
// has closed meanwhile is noticed before it is used, whatever the request. A request refused with
// 401 is resent once when the token file meanwhile holds another token.
class Client {
 public:
  static constexpr std::size_t kLineBytesMax = 16 * 1024 * 1024;
  static constexpr std::size_t kIdleConnectionsMax = 16;

  explicit Client(Url url, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // kUnavailable when the peer cannot be reached or trusted, or the connection breaks, or a file of
  // the options cannot be read; kDeadlineExceeded when the time is up; kTooLarge when the reply is;
  // kUnavailable after cancel(). Any status is a Response.
  Result<Response> send(const Request& request, bool repeatable = true);

  // Reads a reply that does not end, line by line (without the newline). Ok when on_line returned
  // false; kUnavailable when the peer ends the reply or after cancel(); kDeadlineExceeded when
  // nothing came for `idle` (or no reply within the request's timeout). A half line at the end is
  // dropped. A status other than 200 is the error of its problem document.
  Status stream_lines(const Request& request, Duration idle,
                      const std::function<bool(std::string_view line)>& on_line);

  // Ends every call under way in other threads, and refuses later ones, with kUnavailable. For
  // good.
  void cancel();

 private:
  class Transport;
  std::unique_ptr<Transport> transport_;
};

}  // namespace sluice::http
