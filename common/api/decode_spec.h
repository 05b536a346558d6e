// The readers of each kind's spec, shared by manifests and by specs that come alone.
#pragma once

#include "common/api/field_reader.h"
#include "common/api/resources.h"

namespace sluice::api {

// Whether the fields that only the operator sends are known.
enum class Sender { kPeople, kOperator };

// What is wrong becomes an error of the reader's document; the spec is then of no use.
QueueSpec read_queue_spec(FieldReader& reader, Sender sender);
JobSpec read_job_spec(FieldReader& reader);
// A Schedule's template: a Job's spec without dependsOn.
JobSpec read_job_template(FieldReader& reader);
ScheduleSpec read_schedule_spec(FieldReader& reader);
RetryPolicy read_retry_policy(FieldReader& reader);

}  // namespace sluice::api
