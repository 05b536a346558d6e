// Worker pods on Kubernetes: the user's template with the worker injected.
#pragma once

#include <string>

#include "common/base/result.h"
#include "operator/controller/pod_builder.h"

namespace sluice::op {

// What the injection adds, by name; a template that has its own is refused.
//   volumes           kVolume: the worker's program and its socket; kCredentialsVolume
//   init containers   kInstallContainer; kWorkerContainer (http: beside the user's server)
inline constexpr const char* kVolume = "sluice";
inline constexpr const char* kCredentialsVolume = "sluice-credentials";
inline constexpr const char* kInstallContainer = "sluice-install";
inline constexpr const char* kWorkerContainer = "sluice-worker";
inline constexpr const char* kVolumePath = "/sluice";
inline constexpr const char* kCredentialsPath = "/var/run/secrets/sluice";
inline constexpr const char* kCaConfigMap = "sluice-ca";  // with the key ca.crt

// A pure function of its arguments. exec: containers[0] runs the worker, which runs the handler.
// http: the worker is a native sidecar, and containers[0]'s preStop hook waits until it has
// drained. What the template says stays as it is; what contradicts the injection is
// kInvalidArgument.
class KubePodBuilder final : public PodTemplateBuilder {
 public:
  struct Settings {
    std::string worker_image;
    std::string broker_url;
    bool tls = true;  // the broker is trusted by kCaConfigMap
  };

  explicit KubePodBuilder(Settings settings);

  Result<Object> build(const Object& queue, const api::QueueSpec& spec,
                       const PodIdentity& pod) const override;

 private:
  Settings settings_;
};

}  // namespace sluice::op
