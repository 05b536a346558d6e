// Kubernetes Events about our resources: what changed, for `kubectl describe`. The same fact always
// stands in status, because Events expire.
#pragma once

#include <string>

#include "operator/controller/object_store.h"

namespace sluice::op {

enum class EventSeverity { kNormal, kWarning };

// Any thread; record() returns at once and never fails the caller.
class EventRecorder {
 public:
  virtual ~EventRecorder() = default;

  // `reason` is one CamelCase word of a short list (docs/operations.md). The same reason and
  // message about the same object again is counted, not written anew.
  virtual void record(const Object& about, EventSeverity severity, const std::string& reason,
                      const std::string& message) = 0;
};

// Where nobody reads them.
class NoEvents final : public EventRecorder {
 public:
  void record(const Object&, EventSeverity, const std::string&, const std::string&) override {}
};

}  // namespace sluice::op
