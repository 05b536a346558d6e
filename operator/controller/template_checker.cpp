#include "operator/controller/template_checker.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "operator/controller/json_read.h"

namespace sluice::op {
namespace {

std::optional<TemplateCheck> answer_of(const Status& made) {
  if (made) return TemplateCheck{true, "Valid", ""};
  const Error& error = made.error();
  if (error.code != ErrorCode::kInvalidArgument) return std::nullopt;
  const char* reason = error.field == "spec.worker.template" ? "Missing" : "Refused";
  const std::string where = error.field.empty() ? "" : error.field + ": ";
  return TemplateCheck{false, reason, where + error.message};
}

}  // namespace

std::optional<TemplateCheck> TemplateChecker::check(ObjectStore& store,
                                                    const PodTemplateBuilder& pods,
                                                    const Object& queue, const api::QueueSpec& spec,
                                                    const PodIdentity& pod, SteadyPoint now) {
  // The grace period is made of the timeout where the template has none.
  const std::string asked_for = pod.name + "/" + std::to_string(spec.timeout_seconds);
  if (asked_for == asked_for_ && (!ask_again_at_ || now < *ask_again_at_)) return answer_;

  asked_for_ = asked_for;
  auto built = pods.build(queue, spec, pod);
  Status made = Ok{};
  if (built) {
    built->key = {ObjectKind::kPod, queue.key.namespace_name, pod.name};
    built->owner_uid = queue.uid;
    built->owner_name = queue.key.name;
    made = store.check_pod(*built);
  } else {
    made = built.error();
  }
  answer_ = answer_of(made);
  ask_again_at_.reset();
  if (!answer_) ask_again_at_ = now + kAskUnknownAgain;
  if (answer_ && !answer_->is_valid) ask_again_at_ = now + kAskRefusedAgain;
  return answer_;
}

std::optional<Duration> TemplateChecker::ask_again_after(SteadyPoint now) const {
  if (!ask_again_at_) return std::nullopt;
  return std::max<Duration>(kRequeueMin, *ask_again_at_ - now);
}

std::optional<int> template_grace_seconds(const std::optional<std::string>& template_json) {
  const nlohmann::json document = parse_json(template_json.value_or("{}"));
  const nlohmann::json& grace = member(member(document, "spec"), "terminationGracePeriodSeconds");
  if (!grace.is_number_integer()) return std::nullopt;
  return static_cast<int>(grace.get<std::int64_t>());
}

}  // namespace sluice::op
