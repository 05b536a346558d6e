// A cluster that runs Sluice, as the command line uses it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/http/client.h"
#include "operator/kube/api_client.h"

namespace sluice::cli {

class PortForward;

struct ClusterOptions {
  std::string kubeconfig;  // paths as in KUBECONFIG
  std::string context;     // empty: the current one
  std::string release_namespace = "sluice";
  std::string service = "sluice-broker";
  std::string service_account = "sluice-producer";  // whose token the broker is shown
};

// Where the broker answers and how to speak to it. Lives as long as the way there is needed.
struct BrokerAccess {
  BrokerAccess();
  BrokerAccess(BrokerAccess&&) noexcept;
  BrokerAccess& operator=(BrokerAccess&&) noexcept;
  ~BrokerAccess();

  http::Url url;
  http::ClientOptions options;
  std::unique_ptr<PortForward> forward;  // null: reached without one
};

// One thread; every call blocks.
class Cluster {
 public:
  // `clock` outlives it.
  static Result<Cluster> connect(const ClusterOptions& options, const Clock& clock);

  // The namespace of the kubeconfig's context.
  const std::string& default_namespace() const { return default_namespace_; }

  // A short-lived token of the service account in `namespace_name`, the published CA, and a port
  // forward to the broker; `server` replaces the latter where the broker can be reached directly.
  Result<BrokerAccess> reach_broker(const std::string& namespace_name,
                                    const std::optional<http::Url>& server);

  // Pins the queue's workers at `replicas`; absent gives the size back to the operator.
  Status scale(const std::string& namespace_name, const std::string& queue,
               std::optional<int> replicas);
  // The operator fires the schedule once for each fresh token.
  Status trigger(const std::string& namespace_name, const std::string& schedule,
                 const std::string& token);

 private:
  Cluster(ClusterOptions options, std::string default_namespace,
          std::unique_ptr<kube::ApiClient> api);
  Result<std::string> token(const std::string& namespace_name);
  // Empty when none is published: the broker then speaks plain HTTP.
  Result<std::string> published_ca(const std::string& namespace_name);
  Result<std::string> call(const kube::ApiRequest& request, const std::string& doing);

  ClusterOptions options_;
  std::string default_namespace_;
  std::unique_ptr<kube::ApiClient> api_;
};

}  // namespace sluice::cli
