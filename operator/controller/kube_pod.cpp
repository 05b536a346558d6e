#include "operator/controller/kube_pod.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "operator/controller/json_read.h"

namespace sluice::op {
namespace {

using nlohmann::json;

constexpr const char* kTemplatePath = "spec.worker.template";
constexpr const char* kSafeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
constexpr const char* kProgram = "/sluice/bin/sluice-worker";
constexpr const char* kSocket = "/sluice/worker.sock";
constexpr const char* kInstanceVariable = "SLUICE_WORKER_INSTANCE";
constexpr std::int64_t kGraceSecondsMax = 3'600;         // where the template says nothing
constexpr std::int64_t kWorkerGraceSecondsMax = 86'400;  // what the worker takes
constexpr std::int64_t kTokenSeconds = 3'600;
constexpr std::int64_t kMebibyte = 1024 * 1024;
constexpr std::int64_t kIdleWorkerMebibytes = 64;
constexpr std::int64_t kParentsWithRoom = 16;  // of a job, with the largest results
constexpr const char* kPayloadAndParents = "payload-and-parents";
// An image user of ours, for templates whose pod runs as root: the injected containers never do.
constexpr std::int64_t kOwnUser = 65'532;

Error refused(const std::string& below, std::string why) {
  return {ErrorCode::kInvalidArgument, std::move(why), kTemplatePath + below};
}

std::string item(const std::string& list, std::size_t index) {
  return list + "[" + std::to_string(index) + "]";
}

// The strings of a template's labels or annotations.
Result<std::map<std::string, std::string>> read_strings(const json& metadata, const char* name) {
  std::map<std::string, std::string> strings;
  const json& found = member(metadata, name);
  const std::string path = std::string(".metadata.") + name;
  if (found.is_null()) return strings;
  if (!found.is_object()) return refused(path, "must be a mapping of strings");
  for (const auto& [key, value] : found.items()) {
    if (!value.is_string()) return refused(path + "[" + key + "]", "must be a string");
    strings[key] = value.get<std::string>();
  }
  return strings;
}

// The autoscaler would otherwise keep a node for the sake of our volume.
void mark_safe_to_evict(std::map<std::string, std::string>& annotations) {
  std::string& volumes = annotations[kSafeToEvict];
  std::string_view rest = volumes;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    if (rest.substr(0, comma) == kVolume) return;
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  volumes += volumes.empty() ? kVolume : std::string(",") + kVolume;
}

// A list of the pod's spec, made when it is not there.
Result<json*> list_of(json& owner, const char* name, const std::string& path) {
  json& list = owner[name];
  if (list.is_null()) list = json::array();
  if (!list.is_array()) return refused(path, "must be a list");
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_object()) return refused(item(path, i), "must be a mapping");
  }
  return &list;
}

Status refuse_names(const json& list, const std::string& path,
                    std::initializer_list<std::string_view> ours) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string name = text_at(list[i], "name");
    if (std::find(ours.begin(), ours.end(), name) != ours.end()) {
      return refused(item(path, i) + ".name",
                     "must not be \"" + name + "\", which Sluice adds to the pod");
    }
  }
  return Ok{};
}

bool is_inside(std::string_view path, std::string_view folder) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

json escaped(const std::string& word) {
  // The kubelet would replace $(NAME); a handler's words reach it as they are, as in local mode.
  std::string text;
  for (const char c : word) text += c == '$' ? "$$" : std::string(1, c);
  return text;
}

json mount(const char* volume, const char* path, bool read_only) {
  return {{"name", volume}, {"mountPath", path}, {"readOnly", read_only}};
}

// The action of a hook or probe.
json ask_worker(const char* question) {
  return {{"exec", {{"command", json::array({kProgram, question, kSocket})}}}};
}

json instance_variable() {
  return {{"name", kInstanceVariable},
          {"valueFrom", {{"fieldRef", {{"fieldPath", "metadata.uid"}}}}}};
}

// One pod being put together.
class Injection {
 public:
  Injection(const KubePodBuilder::Settings& settings, const Object& queue,
            const api::QueueSpec& spec, const PodIdentity& pod)
      : settings_(settings), queue_(queue), queue_spec_(spec), worker_(*spec.worker), pod_(pod) {}

  Result<Object> run() {
    const json pod_template = parse_json(worker_.template_json.value_or(""));
    if (!worker_.template_json) return refused("", "is missing: workers on Kubernetes need one");
    if (!pod_template.is_object()) return refused("", "must be a mapping");
    spec_ = member(pod_template, "spec");

    Object made;
    auto labels = read_strings(member(pod_template, "metadata"), "labels");
    if (!labels) return labels.error();
    auto annotations = read_strings(member(pod_template, "metadata"), "annotations");
    if (!annotations) return annotations.error();
    made.labels = std::move(*labels);
    made.annotations = std::move(*annotations);
    mark_safe_to_evict(made.annotations);

    using Step = Status (Injection::*)();
    static constexpr Step kSteps[] = {&Injection::find_containers, &Injection::set_ending,
                                      &Injection::add_volumes, &Injection::add_init_containers,
                                      &Injection::change_first_container};
    for (const Step step : kSteps) {
      if (Status done = (this->*step)(); !done) return done.error();
    }
    made.spec_json = dump_json(spec_);
    return made;
  }

 private:
  static constexpr const char* kFirst = ".spec.containers[0]";

  bool is_exec() const { return std::holds_alternative<api::ExecHandler>(worker_.handler); }

  Status find_containers() {
    const char* const kContainers = ".spec.containers";
    if (!spec_.is_object())
      return refused(kContainers, "is missing: the first one runs the handler");
    auto containers = list_of(spec_, "containers", kContainers);
    if (!containers) return containers.error();
    if ((*containers)->empty()) {
      return refused(kContainers, "is missing: the first one runs the handler");
    }
    return refuse_names(**containers, kContainers, {kInstallContainer, kWorkerContainer});
  }

  Status set_ending() {
    const bool ends_itself = is_exec() && worker_.max_jobs_per_pod > 0;
    const std::string policy = ends_itself ? "Never" : "Always";
    const std::string asked = text_at(spec_, "restartPolicy");
    if (!asked.empty() && asked != policy) {
      return refused(".spec.restartPolicy",
                     "must be absent or " + policy +
                         (ends_itself ? ": with maxJobsPerPod a pod ends after its last job"
                                      : ": workers run until the operator deletes their pod"));
    }
    spec_["restartPolicy"] = policy;

    json& grace = spec_["terminationGracePeriodSeconds"];
    if (grace.is_null()) {
      grace = std::min<std::int64_t>(queue_spec_.timeout_seconds + 30, kGraceSecondsMax);
    }
    if (!grace.is_number_integer() || grace.get<std::int64_t>() < 0) {
      return refused(".spec.terminationGracePeriodSeconds", "must be a whole number from 0 on");
    }
    grace_seconds_ = std::clamp<std::int64_t>(grace.get<std::int64_t>(), 1, kWorkerGraceSecondsMax);
    return Ok{};
  }

  Status add_volumes() {
    const char* const kVolumes = ".spec.volumes";
    auto volumes = list_of(spec_, "volumes", kVolumes);
    if (!volumes) return volumes.error();
    if (Status free = refuse_names(**volumes, kVolumes, {kVolume, kCredentialsVolume}); !free) {
      return free;
    }
    (*volumes)->push_back({{"name", kVolume}, {"emptyDir", {{"sizeLimit", "64Mi"}}}});

    json sources = json::array();
    sources.push_back(
        {{"serviceAccountToken",
          {{"audience", "sluice:" + queue_.key.namespace_name + "/" + queue_.key.name},
           {"expirationSeconds", kTokenSeconds},
           {"path", "token"}}}});
    if (settings_.tls) {
      const json certificate = {{"key", "ca.crt"}, {"path", "ca.crt"}};
      sources.push_back(
          {{"configMap", {{"name", kCaConfigMap}, {"items", json::array({certificate})}}}});
    }
    (*volumes)->push_back({{"name", kCredentialsVolume}, {"projected", {{"sources", sources}}}});
    return Ok{};
  }

  // Ours first: the user's init containers may take long, and a native sidecar starts beside them.
  Status add_init_containers() {
    const char* const kInits = ".spec.initContainers";
    auto inits = list_of(spec_, "initContainers", kInits);
    if (!inits) return inits.error();
    if (Status free = refuse_names(**inits, kInits, {kInstallContainer, kWorkerContainer}); !free) {
      return free;
    }
    json install = own_container(kInstallContainer);
    install["args"] = json::array({"install", kProgram});
    install["volumeMounts"] = json::array({mount(kVolume, kVolumePath, false)});
    // Equal, so that a Guaranteed pod stays one; a pod pays for the largest init container only.
    const json copying = {{"cpu", "100m"}, {"memory", "64Mi"}};
    install["resources"] = {{"requests", copying}, {"limits", copying}};
    (*inits)->insert((*inits)->begin(), install);
    if (is_exec()) return Ok{};

    json sidecar = own_container(kWorkerContainer);
    sidecar["restartPolicy"] = "Always";
    sidecar["args"] = worker_arguments();
    sidecar["env"] = json::array({instance_variable()});
    sidecar["volumeMounts"] = {mount(kVolume, kVolumePath, false),
                               mount(kCredentialsVolume, kCredentialsPath, true)};
    sidecar["resources"] = {{"requests", {{"cpu", "10m"}, {"memory", "32Mi"}}},
                            {"limits", {{"cpu", "1"}, {"memory", sidecar_memory()}}}};
    (*inits)->insert((*inits)->begin() + 1, sidecar);
    return Ok{};
  }

  Status change_first_container() {
    json& container = spec_["containers"][0];
    if (Status free = refuse_first_clashes(container); !free) return free;
    auto mounts = list_of(container, "volumeMounts", std::string(kFirst) + ".volumeMounts");
    if (!mounts) return mounts.error();
    // The worker makes its socket there; a server's hook only speaks to it.
    (*mounts)->push_back(mount(kVolume, kVolumePath, !is_exec()));
    add_startup_probe(container);
    if (!is_exec()) {
      container["lifecycle"]["preStop"] = {
          {"exec", {{"command", {kProgram, "pre-stop", kSocket}}}}};
      return Ok{};
    }

    (*mounts)->push_back(mount(kCredentialsVolume, kCredentialsPath, true));
    json command = json::array({kProgram});
    for (json& argument : worker_arguments()) command.push_back(std::move(argument));
    command.push_back("--");
    for (const std::string& word : std::get<api::ExecHandler>(worker_.handler).command) {
      command.push_back(escaped(word));
    }
    container["command"] = std::move(command);
    // Why a worker could not start its handler then stands in the pod's status, and in ours.
    if (!container.contains("terminationMessagePolicy")) {
      container["terminationMessagePolicy"] = "FallbackToLogsOnError";
    }
    auto variables = list_of(container, "env", std::string(kFirst) + ".env");
    if (!variables) return variables.error();
    (*variables)->push_back(instance_variable());
    return Ok{};
  }

  Status refuse_first_clashes(json& container) {
    const std::string first = kFirst;
    if (is_exec()) {
      for (const char* const name : {"command", "args"}) {
        if (member(container, name).is_null()) continue;
        return refused(first + "." + name, "must be absent: handler.exec.command is what runs");
      }
      auto variables = list_of(container, "env", first + ".env");
      if (!variables) return variables.error();
      if (Status free = refuse_names(**variables, first + ".env", {kInstanceVariable}); !free) {
        return free;
      }
    } else {
      const json& lifecycle = member(container, "lifecycle");
      if (!lifecycle.is_null() && !lifecycle.is_object()) {
        return refused(first + ".lifecycle", "must be a mapping");
      }
      if (!member(lifecycle, "preStop").is_null()) {
        return refused(first + ".lifecycle.preStop",
                       "must be absent: the hook of an http handler waits until its last job is "
                       "done");
      }
    }
    const json& mounts = member(container, "volumeMounts");
    for (std::size_t i = 0; mounts.is_array() && i < mounts.size(); ++i) {
      const std::string path = text_at(mounts[i], "mountPath");
      if (!is_inside(path, kVolumePath) && !is_inside(path, kCredentialsPath)) continue;
      return refused(item(first + ".volumeMounts", i) + ".mountPath",
                     "must not be in " + std::string(kVolumePath) + " or " + kCredentialsPath +
                         ", which Sluice mounts");
    }
    return Ok{};
  }

  // Ready is when the handler could be started: a program that is there, a port that accepts. Asked
  // until it is so and not again, because each asking is a process in the container.
  void add_startup_probe(json& container) const {
    if (!member(container, "startupProbe").is_null()) return;
    if (!member(container, "readinessProbe").is_null()) return;
    json probe = ask_worker("ready");
    probe.update({{"periodSeconds", 1}, {"timeoutSeconds", 5}, {"failureThreshold", 3'600}});
    container["startupProbe"] = std::move(probe);
  }

  json own_container(const char* name) const {
    json security = {{"allowPrivilegeEscalation", false},
                     {"capabilities", {{"drop", {"ALL"}}}},
                     {"readOnlyRootFilesystem", true},
                     {"runAsNonRoot", true},
                     {"seccompProfile", {{"type", "RuntimeDefault"}}}};
    const json& user = member(member(spec_, "securityContext"), "runAsUser");
    if (user.is_number_integer() && user.get<std::int64_t>() == 0) security["runAsUser"] = kOwnUser;
    return {{"name", name},
            {"image", settings_.worker_image},
            {"securityContext", std::move(security)},
            {"terminationMessagePolicy", "FallbackToLogsOnError"}};
  }

  json worker_arguments() const {
    std::vector<std::string> words = {"--broker", settings_.broker_url, "--token-file",
                                      std::string(kCredentialsPath) + "/token"};
    const auto add = [&](const char* option, std::string value) {
      words.emplace_back(option);
      words.push_back(std::move(value));
    };
    if (settings_.tls) add("--ca-file", std::string(kCredentialsPath) + "/ca.crt");
    add("--namespace", queue_.key.namespace_name);
    add("--queue", queue_.key.name);
    add("--name", pod_.name);
    add("--concurrency", std::to_string(worker_.concurrency));
    if (worker_.max_jobs_per_pod > 0) add("--max-jobs", std::to_string(worker_.max_jobs_per_pod));
    add("--grace-seconds", std::to_string(grace_seconds_));
    add("--max-result-bytes", std::to_string(queue_spec_.payload.max_result_bytes));
    add("--socket", kSocket);
    if (const auto* http = std::get_if<api::HttpHandler>(&worker_.handler)) {
      add("--http-port", std::to_string(http->port));
      add("--http-path", http->path);
      if (http->body == api::HttpBody::kPayloadAndParents) add("--http-body", kPayloadAndParents);
    }
    json arguments = json::array();
    for (const std::string& word : words) arguments.push_back(escaped(word));
    return arguments;
  }

  // Every job's payload and result, its parents' results where they are posted, and a copy of each
  // on its way.
  std::string sidecar_memory() const {
    const auto* http = std::get_if<api::HttpHandler>(&worker_.handler);
    const bool has_parents = http != nullptr && http->body == api::HttpBody::kPayloadAndParents;
    const std::int64_t results = 1 + (has_parents ? kParentsWithRoom : 0);
    const std::int64_t job_bytes =
        2 * (queue_spec_.payload.max_bytes + results * queue_spec_.payload.max_result_bytes);
    const std::int64_t jobs_mebibytes =
        (worker_.concurrency * job_bytes + kMebibyte - 1) / kMebibyte;
    return std::to_string(kIdleWorkerMebibytes + jobs_mebibytes) + "Mi";
  }

  const KubePodBuilder::Settings& settings_;
  const Object& queue_;
  const api::QueueSpec& queue_spec_;
  const api::WorkerSpec& worker_;
  const PodIdentity& pod_;
  json spec_;
  std::int64_t grace_seconds_ = 0;
};

}  // namespace

KubePodBuilder::KubePodBuilder(Settings settings) : settings_(std::move(settings)) {}

Result<Object> KubePodBuilder::build(const Object& queue, const api::QueueSpec& spec,
                                     const PodIdentity& pod) const {
  return Injection(settings_, queue, spec, pod).run();
}

}  // namespace sluice::op
