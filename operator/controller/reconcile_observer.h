// Who counts what the controller does.
#pragma once

#include "common/base/clock.h"
#include "operator/controller/object_store.h"

namespace sluice::op {

// Any thread; returns at once.
class ReconcileObserver {
 public:
  virtual ~ReconcileObserver() = default;
  virtual void reconciled(ObjectKind kind, bool is_error, Duration took) = 0;
};

}  // namespace sluice::op
