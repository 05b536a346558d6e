// What a resource's conditions complain of, as lines of `sluice dev`.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "cli/local/manifest_set.h"
#include "operator/controller/event_recorder.h"

namespace sluice::local {

// One line each time a condition turns bad. Of Jobs only what will never run is told: the others
// are as many as there are jobs.
//
// Threads: any, and `complain` is called on it.
class ConditionLines final : public op::EventRecorder {
 public:
  explicit ConditionLines(std::function<void(std::string line)> complain)
      : complain_(std::move(complain)) {}

  void record(const op::Object& about, op::EventSeverity severity, const std::string& reason,
              const std::string& message) override {
    if (severity != op::EventSeverity::kWarning) return;
    if (about.key.kind == op::ObjectKind::kJob && !is_for_good(reason)) return;
    complain_(to_string(about.key) + ": " + reason + (message.empty() ? "" : ": " + message));
  }

 private:
  // Of a Job that is not accepted, and is not tried again before it is another one.
  static bool is_for_good(const std::string& reason) {
    return reason == "InvalidSpec" || reason == "Rejected" || reason == "PayloadTooLarge" ||
           reason == "IdempotencyConflict";
  }

  const std::function<void(std::string line)> complain_;
};

}  // namespace sluice::local
