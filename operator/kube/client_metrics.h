// What the API client did, for Prometheus, under the names client-go uses.
#pragma once

#include <memory>

#include "operator/kube/rest_client.h"

namespace prometheus {
class Registry;
}

namespace sluice::kube {

//   rest_client_requests_total{code,method,host}           code "<error>": no answer came
//   rest_client_request_duration_seconds{verb,host}        until the answer's head
//
// `registry` outlives the observer. Any thread; counters are looked up once per set of labels.
std::unique_ptr<RequestObserver> make_client_metrics(prometheus::Registry& registry);

}  // namespace sluice::kube
