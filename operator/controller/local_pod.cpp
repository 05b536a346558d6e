#include "operator/controller/local_pod.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <variant>

#include "operator/controller/json_read.h"

namespace sluice::op {
namespace {

using nlohmann::json;

constexpr int kGraceSecondsMax = 3'600;

// terminationGracePeriodSeconds, or the job's timeout and half a minute.
int grace_seconds(const json& template_spec, int timeout_seconds) {
  const std::int64_t fallback = std::min(timeout_seconds + 30, kGraceSecondsMax);
  const std::int64_t grace = integer_at(template_spec, "terminationGracePeriodSeconds", fallback);
  return static_cast<int>(std::clamp<std::int64_t>(grace, 0, kGraceSecondsMax));
}

// `text` with each $(NAME) replaced by what an earlier entry says, as the kubelet does it: $$ is a
// dollar sign, and a name nobody knows stays as it is.
std::string expand(std::string_view text, const std::map<std::string, std::string>& known) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("$$")) {
      out += '$';
      ++at;
      continue;
    }
    const std::size_t end = rest.starts_with("$(") ? rest.find(')') : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[at];
      continue;
    }
    const auto value = known.find(std::string(rest.substr(2, end - 2)));
    out += value == known.end() ? std::string(rest.substr(0, end + 1)) : value->second;
    at += end;
  }
  return out;
}

void read_env(const json& container, LocalPod& pod) {
  std::map<std::string, std::string> known;
  for (const json& variable : member(container, "env")) {
    std::string name = text_at(variable, "name");
    if (name.empty()) continue;
    if (member(variable, "valueFrom").is_null()) {
      const std::string& value = known[name] = expand(text_at(variable, "value"), known);
      pod.env.emplace_back(std::move(name), value);
    } else {
      pod.skipped_env.push_back(std::move(name));
    }
  }
}

}  // namespace

std::string encode(const LocalPod& pod) {
  json env = json::array();
  for (const auto& [name, value] : pod.env) env.push_back({{"name", name}, {"value", value}});
  json worker = {{"concurrency", pod.concurrency}, {"maxJobsPerPod", pod.max_jobs_per_pod}};
  if (pod.http_port > 0) {
    worker["httpPort"] = pod.http_port;
    worker["httpPath"] = pod.http_path;
    if (!pod.http_body.empty()) worker["httpBody"] = pod.http_body;
  } else {
    worker["command"] = pod.command;
  }
  return dump_json({{"namespace", pod.namespace_name},
                    {"queue", pod.queue},
                    {"broker", pod.broker_url},
                    {"graceSeconds", pod.grace_seconds},
                    {"leaseSeconds", pod.lease_seconds},
                    {"worker", worker},
                    {"env", env},
                    {"skippedEnv", pod.skipped_env},
                    {"workingDir", pod.working_dir}});
}

Result<LocalPod> decode_local_pod(std::string_view spec_json) {
  const json document = parse_json(spec_json);
  const json& worker = member(document, "worker");
  LocalPod pod;
  pod.namespace_name = text_at(document, "namespace");
  pod.queue = text_at(document, "queue");
  pod.broker_url = text_at(document, "broker");
  pod.grace_seconds = static_cast<int>(integer_at(document, "graceSeconds", pod.grace_seconds));
  pod.lease_seconds = static_cast<int>(integer_at(document, "leaseSeconds", pod.lease_seconds));
  pod.concurrency = static_cast<int>(integer_at(worker, "concurrency", 1));
  pod.max_jobs_per_pod = static_cast<int>(integer_at(worker, "maxJobsPerPod"));
  pod.http_port = static_cast<int>(integer_at(worker, "httpPort"));
  pod.http_path = text_at(worker, "httpPath");
  pod.http_body = text_at(worker, "httpBody");
  pod.working_dir = text_at(document, "workingDir");
  for (const json& argument : member(worker, "command")) {
    if (argument.is_string()) pod.command.push_back(argument.get<std::string>());
  }
  for (const json& variable : member(document, "env")) {
    pod.env.emplace_back(text_at(variable, "name"), text_at(variable, "value"));
  }
  for (const json& name : member(document, "skippedEnv")) {
    if (name.is_string()) pod.skipped_env.push_back(name.get<std::string>());
  }
  if (pod.queue.empty() || pod.broker_url.empty() || pod.command.empty() == (pod.http_port == 0)) {
    return Error{ErrorCode::kInvalidArgument, "not the spec of a local pod", "spec"};
  }
  return pod;
}

LocalPodBuilder::LocalPodBuilder(std::string broker_url) : broker_url_(std::move(broker_url)) {}

Result<Object> LocalPodBuilder::build(const Object& queue, const api::QueueSpec& spec,
                                      const PodIdentity&) const {
  const json pod_template = parse_json(spec.worker->template_json.value_or("{}"));
  const json& template_spec = member(pod_template, "spec");
  const json& containers = member(template_spec, "containers");

  LocalPod pod;
  pod.namespace_name = queue.key.namespace_name;
  pod.queue = queue.key.name;
  pod.broker_url = broker_url_;
  if (const auto* exec = std::get_if<api::ExecHandler>(&spec.worker->handler)) {
    pod.command = exec->command;
  } else {
    const auto& http = std::get<api::HttpHandler>(spec.worker->handler);
    pod.http_port = http.port;
    pod.http_path = http.path;
    if (http.body == api::HttpBody::kPayloadAndParents) pod.http_body = "payload-and-parents";
  }
  pod.concurrency = spec.worker->concurrency;
  pod.max_jobs_per_pod = spec.worker->max_jobs_per_pod;
  pod.lease_seconds = spec.lease_seconds;
  pod.grace_seconds = grace_seconds(template_spec, spec.timeout_seconds);
  if (containers.is_array() && !containers.empty()) {
    read_env(containers.front(), pod);
    pod.working_dir = text_at(containers.front(), "workingDir");
  }

  Object object;
  object.spec_json = encode(pod);
  return object;
}

}  // namespace sluice::op
