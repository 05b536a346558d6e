// The ApiClient over HTTP/1.1 and TLS.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/kube/api_client.h"
#include "operator/kube/kube_config.h"

namespace sluice::kube {

inline constexpr std::size_t kBodyBytesMax = 64 * 1024 * 1024;
inline constexpr std::size_t kWatchLineBytesMax = 16 * 1024 * 1024;
// The body of an answer to a watch that is not 200.
inline constexpr std::size_t kRefusalBytesMax = 1024 * 1024;

// Told of every request once its answer's head is there or it failed. Any thread, at once.
class RequestObserver {
 public:
  virtual ~RequestObserver() = default;
  // `code` is the HTTP status, 0 when there was no answer.
  virtual void request_ended(std::string_view method, std::string_view host, int code,
                             Duration latency) = 0;
};

struct RestClientSettings {
  std::string user_agent;
  const Clock& clock;                   // outlives the client
  RequestObserver* observer = nullptr;  // outlives the client
};

// kInvalidArgument when the server's URL, a certificate or a key cannot be used; kNotFound when one
// of their files cannot be read. Reaches for nothing else yet.
//
// The client keeps connections alive; it opens new ones, with the authorities, certificates and
// keys that the files hold by then, after a broken connection and after a 401. Nothing is
// retried. Its destructor cancels, and waits for the library to let go.
Result<std::unique_ptr<ApiClient>> make_rest_client(const KubeConfig& config,
                                                    RestClientSettings settings);

}  // namespace sluice::kube
