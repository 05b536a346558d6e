// Calls that are tried again when the API server asks for it.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/kube/api_client.h"
#include "operator/kube/backoff.h"
#include "operator/kube/pause.h"

namespace sluice::kube {

struct PatientOptions {
  int tries_max = 4;
  Duration wait_min = std::chrono::milliseconds{200};
  Duration wait_max = std::chrono::seconds{2};
  // All waits of one call together; a Retry-After beyond it is left to the caller's own backoff.
  Duration patience = std::chrono::seconds{8};
  std::uint64_t jitter_seed = 1;
};

// A 2xx answer, or the error of any other (api_error.h). 429 and 5xx are tried again after
// Retry-After, else with jittered backoff (SURVIVAL 5). A connection that breaks is not: whoever
// called knows whether the call may be repeated.
//
// Threads: any; blocks for the waits and the calls themselves, until end().
class PatientCalls {
 public:
  PatientCalls(ApiClient& client, PatientOptions options);

  Result<std::string> call(const ApiRequest& request);
  // Ends the waits; the client's own cancel() ends the calls.
  void end() { pause_.end(); }

 private:
  ApiClient& client_;
  const PatientOptions options_;
  std::mutex mutex_;
  std::uint64_t next_seed_;
  Pause pause_;
};

}  // namespace sluice::kube
