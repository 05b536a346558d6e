// Worker "pods" of local mode: what their spec says, and how it comes from a Queue.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "operator/controller/pod_builder.h"

namespace sluice::op {

// Everything the pod runner needs to start a worker process. The worker's name is the pod's name,
// its instance the pod's UID.
//
// As JSON: {"namespace", "queue", "broker", "graceSeconds", "leaseSeconds",
//           "worker": {"command": […] | "httpPort", "httpPath", "httpBody",
//                      "concurrency", "maxJobsPerPod"},
//           "env": [{"name", "value"}], "skippedEnv": […], "workingDir"}
struct LocalPod {
  std::string namespace_name;
  std::string queue;
  std::string broker_url;            // "http://127.0.0.1:7070"
  std::vector<std::string> command;  // of the exec handler
  int http_port = 0;                 // of the http handler: a server the user runs on loopback
  std::string http_path;
  std::string http_body;  // the worker's option; empty: its default
  int concurrency = 1;
  int max_jobs_per_pod = 0;
  int grace_seconds = 330;
  int lease_seconds = 30;
  std::vector<std::pair<std::string, std::string>> env;  // of containers[0], in order
  std::vector<std::string> skipped_env;  // names whose value only a cluster knows (valueFrom)
  std::string working_dir;               // of containers[0]; empty: the manifest folder
  friend bool operator==(const LocalPod&, const LocalPod&) = default;
};

std::string encode(const LocalPod& pod);
// kInvalidArgument when `spec_json` is not the shape above.
Result<LocalPod> decode_local_pod(std::string_view spec_json);

class LocalPodBuilder final : public PodTemplateBuilder {
 public:
  explicit LocalPodBuilder(std::string broker_url);

  Result<Object> build(const Object& queue, const api::QueueSpec& spec,
                       const PodIdentity& pod) const override;

 private:
  std::string broker_url_;
};

}  // namespace sluice::op
