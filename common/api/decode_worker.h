// Reading Queue.spec.worker.
#pragma once

#include "common/api/field_reader.h"
#include "common/api/resources.h"

namespace sluice::api {

WorkerSpec read_worker_spec(FieldReader& reader);

}  // namespace sluice::api
