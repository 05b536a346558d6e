// The operator's own port: /metrics, /healthz and /readyz.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"

namespace sluice::kube {

struct ServerAnswers {
  std::function<std::string()> metrics;
  std::function<bool()> is_ready;
};

// One thread answers all; a connection has few seconds for a request. Nothing here changes
// anything, so there is no authentication.
class OperatorServer {
 public:
  // `address` is a numeric one. kUnavailable, with the reason, when it cannot be listened on; port
  // 0 takes any.
  static Result<std::unique_ptr<OperatorServer>> start(const std::string& address,
                                                       std::uint16_t port, ServerAnswers answers);
  ~OperatorServer();
  OperatorServer(const OperatorServer&) = delete;
  OperatorServer& operator=(const OperatorServer&) = delete;

  std::uint16_t port() const;

 private:
  class Listener;
  explicit OperatorServer(std::unique_ptr<Listener> listener);

  std::unique_ptr<Listener> listener_;
};

}  // namespace sluice::kube
