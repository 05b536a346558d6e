// What the API server says when it refuses, as an Error.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"
#include "operator/kube/api_client.h"

namespace sluice::kube {

// The answer's Status object, or its HTTP status when it has none. The message is the server's.
//
//   400, 422, other 4xx  kInvalidArgument, `field` is the first cause's
//   409                  kConflict, field "name" when the name is taken
//   410                  kConflict, field "resourceVersion": is_expired()
//   413, a request etcd finds too large      kTooLarge
//   507, an etcd that is full                kDiskFull
//   429, other 5xx       kUnavailable
Error error_of_answer(const ApiResponse& answer);
// The same for the Status object inside a watch's ERROR event.
Error error_of_status(const nlohmann::json& status);

// The version or continue token is older than what the server remembers: list again.
bool is_expired(const Error& error);
// The server has not seen that version yet ("Too large resource version"): another one was asked
// before.
bool is_version_ahead(const Error& error);

}  // namespace sluice::kube
