// cpprestsdk's HTTP client, behind plain types.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/kube/http_exchange.h"
#include "operator/kube/tls_settings.h"

namespace sluice::kube {

struct HttpRequest {
  std::string method;
  std::string path;  // with its query, escaped
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Kept-alive connections to one server. The library runs on a pool of one thread of the process,
// where every step of every request happens; callers never run the library's code, and the pool
// never waits for callers. That keeps the library's closing of a socket (a cancelled request) from
// racing with its own reads.
//
// A request with a body is sent once. One without may be sent again, once, by the library when a
// kept-alive connection turns out closed before a byte of the answer came.
//
// Threads: any; start() does not block.
class HttpTransport {
 public:
  // `server` is "http(s)://HOST[:PORT][/base]"; kInvalidArgument when it is not. `tls` counts with
  // https only.
  static Result<std::shared_ptr<HttpTransport>> make(const std::string& server,
                                                     std::shared_ptr<const TlsSettings> tls);
  ~HttpTransport();
  HttpTransport(const HttpTransport&) = delete;
  HttpTransport& operator=(const HttpTransport&) = delete;

  // Every step afterwards goes to `exchange`, which lives as long as it must.
  void start(HttpRequest request, const std::shared_ptr<HttpExchange>& exchange);

  // True once the pool has done all that was handed to it before, within `time_max`.
  static bool settle_pool(Duration time_max);

 private:
  struct Library;
  explicit HttpTransport(std::unique_ptr<Library> library);

  std::unique_ptr<Library> library_;
};

// The host of a server's URL, without brackets and port; empty when there is none.
std::string host_of(const std::string& server);
// The same with its port, as metrics name it.
std::string host_and_port_of(const std::string& server);

}  // namespace sluice::kube
