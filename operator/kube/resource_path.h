// Where the API server keeps each kind of object.
#pragma once

#include <string>
#include <string_view>

#include "operator/controller/object_store.h"

namespace sluice::kube {

// "sluice.dev/v1alpha1", "v1"
std::string_view api_version(op::ObjectKind kind);
// "Queue"
std::string_view kind_name(op::ObjectKind kind);
// "queues"
std::string_view plural(op::ObjectKind kind);

// "/apis/sluice.dev/v1alpha1/namespaces/a/queues"; without a namespace of all of them.
std::string collection_path(op::ObjectKind kind, std::string_view namespace_name);
std::string object_path(const op::ObjectKey& key);

}  // namespace sluice::kube
