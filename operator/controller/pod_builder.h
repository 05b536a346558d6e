// What a worker pod of a queue looks like; the only thing about pods that differs between
// Kubernetes and local mode.
#pragma once

#include <string>

#include "common/api/resources.h"
#include "common/base/result.h"
#include "operator/controller/object_store.h"

namespace sluice::op {

inline constexpr const char* kQueueLabel = "sluice.dev/queue";
inline constexpr const char* kTemplateHashLabel = "sluice.dev/template-hash";
inline constexpr const char* kInjectedVersionLabel = "sluice.dev/injected-version";
inline constexpr const char* kTriggerAnnotation = "sluice.dev/trigger";

// The facts every pod carries, whoever builds it.
struct PodIdentity {
  std::string name;
  std::string template_hash;
  int ordinal = 0;
};

// Any thread; does not block.
class PodTemplateBuilder {
 public:
  virtual ~PodTemplateBuilder() = default;

  // The pod's labels, annotations and spec; the caller sets key, owner and the labels above.
  // Requires: spec.worker. kInvalidArgument, with its field, for a template no pod can be made
  // from.
  virtual Result<Object> build(const Object& queue, const api::QueueSpec& spec,
                               const PodIdentity& pod) const = 0;
};

}  // namespace sluice::op
