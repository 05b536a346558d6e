// The fields whose features are not built: left out where that is harmless, named everywhere.
// A feature that gets built loses its lines here.
#include "operator/plan/job_plan.h"
#include "operator/plan/schedule_plan.h"

namespace sluice::op {

std::vector<std::string> not_built_fields(const api::JobSpec& spec) {
  std::vector<std::string> fields;
  if (spec.callback) fields.push_back("spec.callback");
  return fields;
}

std::vector<std::string> not_built_fields(const api::ScheduleSpec& spec) {
  std::vector<std::string> fields = not_built_fields(spec.job_template);
  for (std::string& field : fields) field = "spec.jobTemplate." + field;
  return fields;
}

}  // namespace sluice::op
