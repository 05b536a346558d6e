// One HTTP/1.1 connection.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "common/base/result.h"
#include "common/http/client.h"
#include "common/http/tls_trust.h"

namespace sluice::http {

// Blocking calls, each bounded by its deadline; after a failed one the connection is of no use.
//
// Threads: one caller at a time; cancel() from any thread.
class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  struct Exchange {
    Result<Response> response;
    bool reply_began = false;  // at least a byte of it was read
    bool reusable = false;
  };

  // All outlive the connection.
  Connection(const Url& url, TlsTrust& trust, const ClientOptions& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Tries each address of the host in turn; over https, also proves who the peer is.
  Status open(Deadline deadline);

  // False once the peer has closed, or has sent something nobody asked for.
  bool is_quiet() const;

  Exchange exchange(const Request& request, Deadline deadline);

  // As Client::stream_lines; `deadline` holds until the reply's header is read.
  Status stream_lines(const Request& request, Deadline deadline, Duration idle,
                      const std::function<bool(std::string_view)>& on_line);

  // The call under way and later ones fail with kUnavailable.
  void cancel();

 private:
  class Link;
  std::unique_ptr<Link> link_;
};

}  // namespace sluice::http
