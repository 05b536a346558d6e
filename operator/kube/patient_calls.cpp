#include "operator/kube/patient_calls.h"

#include <utility>

#include "operator/kube/api_error.h"

namespace sluice::kube {

PatientCalls::PatientCalls(ApiClient& client, PatientOptions options)
    : client_(client), options_(options), next_seed_(options.jitter_seed) {}

Result<std::string> PatientCalls::call(const ApiRequest& request) {
  std::uint64_t seed = 0;
  {
    const std::lock_guard lock(mutex_);
    seed = next_seed_++;
  }
  Backoff backoff(options_.wait_min, options_.wait_max, seed);
  Duration patience = options_.patience;
  for (int tries = 1;; ++tries) {
    auto answer = client_.send(request);
    if (!answer) return answer.error();
    if (answer->status >= 200 && answer->status < 300) return std::move(answer->body);

    Error error = error_of_answer(*answer);
    if (error.code != ErrorCode::kUnavailable || tries >= options_.tries_max) return error;
    const Duration jitter = backoff.next();
    const Duration wait = answer->retry_after ? Duration{*answer->retry_after} + jitter : jitter;
    if (wait > patience || !pause_.wait(wait)) return error;
    patience -= wait;
  }
}

}  // namespace sluice::kube
