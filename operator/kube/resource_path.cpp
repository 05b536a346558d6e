#include "operator/kube/resource_path.h"

#include "common/http/client.h"

namespace sluice::kube {

using op::ObjectKind;

std::string_view api_version(ObjectKind kind) {
  return kind == ObjectKind::kPod ? "v1" : "sluice.dev/v1alpha1";
}

std::string_view kind_name(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kQueue:
      return "Queue";
    case ObjectKind::kJob:
      return "Job";
    case ObjectKind::kSchedule:
      return "Schedule";
    case ObjectKind::kPod:
      return "Pod";
  }
  return "";
}

std::string_view plural(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kQueue:
      return "queues";
    case ObjectKind::kJob:
      return "jobs";
    case ObjectKind::kSchedule:
      return "schedules";
    case ObjectKind::kPod:
      return "pods";
  }
  return "";
}

std::string collection_path(ObjectKind kind, std::string_view namespace_name) {
  std::string path = kind == ObjectKind::kPod ? "/api/" : "/apis/";
  path.append(api_version(kind));
  if (!namespace_name.empty()) {
    path.append("/namespaces/").append(http::percent_encode(namespace_name));
  }
  return path.append("/").append(plural(kind));
}

std::string object_path(const op::ObjectKey& key) {
  return collection_path(key.kind, key.namespace_name)
      .append("/")
      .append(http::percent_encode(key.name));
}

}  // namespace sluice::kube
