// Whether pods can be made from a queue's template: asked once a template, remembered.
#pragma once

#include <optional>
#include <string>

#include "common/api/resources.h"
#include "operator/controller/object_store.h"
#include "operator/controller/pod_builder.h"
#include "operator/plan/queue_plan.h"

namespace sluice::op {

// One queue's; used by one thread at a time.
class TemplateChecker {
 public:
  // A refusal may end without the template changing (a service account is made, a policy goes).
  static constexpr Duration kAskRefusedAgain = std::chrono::seconds{30};
  static constexpr Duration kAskUnknownAgain = std::chrono::seconds{2};

  // Builds a pod and lets the store look at it; absent when the store cannot be asked now.
  // Requires: spec.worker.
  std::optional<TemplateCheck> check(ObjectStore& store, const PodTemplateBuilder& pods,
                                     const Object& queue, const api::QueueSpec& spec,
                                     const PodIdentity& pod, SteadyPoint now);
  // When to come again; absent: not before the template changes.
  std::optional<Duration> ask_again_after(SteadyPoint now) const;

 private:
  std::string asked_for_;
  std::optional<TemplateCheck> answer_;
  std::optional<SteadyPoint> ask_again_at_;
};

// terminationGracePeriodSeconds of a pod template; absent when it has none.
std::optional<int> template_grace_seconds(const std::optional<std::string>& template_json);

}  // namespace sluice::op
