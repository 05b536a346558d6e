#include "cli/local/pod_runner.h"

#include <chrono>
#include <csignal>
#include <utility>

#include "cli/local/manifest_set.h"

namespace sluice::local {
namespace {

// A shell's convention for a process that a signal ended, and a container runtime's.
constexpr int kSignalExitCode = 128;

constexpr std::string_view kNotReady = "not ready: ";  // and why, as a worker prints it

std::vector<std::string> worker_arguments(const std::string& program, const op::Object& pod,
                                          const op::LocalPod& spec) {
  std::vector<std::string> argv = {program,
                                   "--broker",
                                   spec.broker_url,
                                   "--namespace",
                                   spec.namespace_name,
                                   "--queue",
                                   spec.queue,
                                   "--name",
                                   pod.key.name,
                                   "--instance",
                                   pod.uid,
                                   "--concurrency",
                                   std::to_string(spec.concurrency),
                                   "--max-jobs",
                                   std::to_string(spec.max_jobs_per_pod),
                                   "--grace-seconds",
                                   std::to_string(spec.grace_seconds),
                                   "--exit-with-parent"};
  if (spec.http_port > 0) {
    argv.insert(argv.end(),
                {"--http-port", std::to_string(spec.http_port), "--http-path", spec.http_path});
    if (!spec.http_body.empty()) argv.insert(argv.end(), {"--http-body", spec.http_body});
    return argv;
  }
  argv.push_back("--");
  argv.insert(argv.end(), spec.command.begin(), spec.command.end());
  return argv;
}

}  // namespace

PodRunner::PodRunner(EventLoop& loop, Processes& processes, op::MemoryObjectStore& store,
                     PodRunnerOptions options)
    : loop_(loop), processes_(processes), store_(store), options_(std::move(options)) {}

void PodRunner::start() {
  watch_ = store_.watch(op::ObjectKind::kPod, [this](const op::WatchEvent& event) {
    loop_.post([this, event] { on_event(event); });
  });
}

void PodRunner::drain() {
  draining_ = true;
  for (auto& [uid, pod] : pods_) terminate(pod);
}

void PodRunner::kill() {
  draining_ = true;
  for (auto& [uid, pod] : pods_) {
    if (pod.pid) processes_.signal(*pod.pid, SIGKILL);
  }
}

std::map<op::QueueRef, PodRunner::Workers> PodRunner::workers() const {
  std::map<op::QueueRef, Workers> by_queue;
  for (const auto& [uid, pod] : pods_) {
    if (!pod.pid || pod.terminating) continue;
    Workers& workers = by_queue[{pod.spec.namespace_name, pod.spec.queue}];
    ++workers.wanted;
    if (pod.status.ready) ++workers.ready;
  }
  return by_queue;
}

void PodRunner::on_event(const op::WatchEvent& event) {
  const op::Object& object = event.object;
  const auto found = pods_.find(object.uid);
  if (event.type == op::EventType::kDeleted) {
    // By our own finish_removal, or by somebody who does not care about the process: it must not
    // run on unseen.
    if (found == pods_.end()) return;
    if (!found->second.pid) {
      pods_.erase(found);
      return;
    }
    found->second.gone = true;
    return processes_.signal(*found->second.pid, SIGKILL);
  }
  if (found != pods_.end()) {
    found->second.object = object;
    if (object.deletion_time) terminate(found->second);
    return;
  }
  if (object.deletion_time) return finish_removal(object);
  if (!draining_) start_pod(object);
}

void PodRunner::start_pod(const op::Object& object) {
  Pod& pod = pods_[object.uid];
  pod.object = object;
  auto spec = op::decode_local_pod(object.spec_json);
  if (!spec) return fail(pod, "InvalidPod", spec.error().message);
  pod.spec = *std::move(spec);
  for (const std::string& name : pod.spec.skipped_env) {
    options_.complain(object.key.name + ": environment variable " + name +
                      " is left out, only a cluster knows its value");
  }
  if (Status started = start_worker(pod); !started) {
    return fail(pod, "StartError", started.error().message);
  }
  pod.status.phase = op::PodPhase::kRunning;
  write_status(pod);
}

Status PodRunner::start_worker(Pod& pod) {
  const std::string uid = pod.object.uid;
  prune_files(options_.log_folder, kLogFilesMax);
  auto log = BoundedLog::open(options_.log_folder / (pod.object.key.name + ".log"), kLogBytesMax);
  if (!log) return std::move(log).error();
  pod.log = *std::move(log);

  Command command;
  command.argv = worker_arguments(options_.worker_program, pod.object, pod.spec);
  for (const auto& [name, value] : pod.spec.env) command.env[name] = value;
  command.env[kMark] = uid;
  command.working_folder = working_folder(pod.spec);
  auto pid = processes_.start(
      command, {.on_line = [this, uid](std::string_view line) { on_line(uid, line); },
                .on_end = [this, uid](const ProcessEnd& end) { on_end(uid, end); }});
  if (!pid) return std::move(pid).error();
  pod.pid = *pid;
  ++running_;
  return Ok{};
}

void PodRunner::on_line(const std::string& uid, std::string_view line) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  Pod& pod = found->second;
  if (pod.log) pod.log->write_line(line);
  if (line.starts_with(kNotReady)) {
    pod.status.ready = false;
    pod.status.waiting_reason = "HandlerNotFound";
    pod.status.waiting_message = line.substr(kNotReady.size());
    return write_status(pod);
  }
  if (line != "ready") {
    if (!line.empty()) pod.last_line = line;
    return;
  }
  pod.status.ready = true;
  pod.status.waiting_reason.clear();
  last_said_.erase({pod.spec.namespace_name, pod.spec.queue});
  write_status(pod);
}

void PodRunner::on_end(const std::string& uid, const ProcessEnd& end) {
  --running_;
  // Handlers of a worker that was killed, and whatever a handler left running in the background.
  processes_.kill_marked(kMark, uid);
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  Pod& pod = found->second;
  if (pod.gone) {
    pods_.erase(found);
    return;
  }
  pod.pid.reset();
  pod.log.reset();
  const bool succeeded = end.exit_code == 0;
  pod.status.phase = succeeded ? op::PodPhase::kSucceeded : op::PodPhase::kFailed;
  pod.status.ready = false;
  pod.status.exit_code = end.exit_code ? *end.exit_code : kSignalExitCode + end.signal.value_or(0);
  pod.status.end_reason = succeeded ? "Completed" : "Error";
  pod.status.end_message = succeeded ? "" : to_string(end);
  if (!succeeded && !pod.last_line.empty()) pod.status.end_message += ": " + pod.last_line;
  if (!succeeded && !pod.terminating) {
    complain_of(pod, " ended: " + pod.status.end_message);
  }
  if (pod.object.deletion_time) {
    finish_removal(pod.object);
  } else {
    write_status(pod);
  }
}

// The pod itself decides how long it needs; we only end it when it breaks its word.
void PodRunner::terminate(Pod& pod) {
  if (!pod.pid) {
    if (pod.object.deletion_time) finish_removal(pod.object);
    return;
  }
  if (std::exchange(pod.terminating, true)) return;
  processes_.signal(*pod.pid, SIGTERM);
  loop_.after(std::chrono::seconds{pod.spec.grace_seconds}, [this, uid = pod.object.uid] {
    const auto found = pods_.find(uid);
    if (found == pods_.end() || !found->second.pid) return;
    options_.complain("worker " + found->second.object.key.name + " outlived its grace: killed");
    processes_.signal(*found->second.pid, SIGKILL);
  });
}

void PodRunner::finish_removal(const op::Object& object) {
  // It may be gone already, with its Queue; then there is nothing left to do.
  static_cast<void>(!store_.finish_removal(object.key, object.uid));
}

void PodRunner::write_status(const Pod& pod) {
  // Nobody else writes a pod's status here, so no version is compared; a pod that is gone needs
  // none.
  static_cast<void>(!store_.update_status(pod.object.key, "", op::encode(pod.status)));
}

void PodRunner::fail(Pod& pod, const std::string& reason, const std::string& message) {
  complain_of(pod, " not started: " + message);
  pod.status.phase = op::PodPhase::kFailed;
  pod.status.exit_code = kSignalExitCode;
  pod.status.end_reason = reason;
  pod.status.end_message = message;
  write_status(pod);
}

// Workers that are tried again and again say the same thing once.
void PodRunner::complain_of(const Pod& pod, const std::string& what) {
  std::string& last = last_said_[{pod.spec.namespace_name, pod.spec.queue}];
  if (std::exchange(last, what) == what) return;
  options_.complain("worker " + pod.object.key.name + what);
}

std::string PodRunner::working_folder(const op::LocalPod& spec) const {
  std::filesystem::path folder = options_.manifest_folder;
  const auto queue = store_.get({op::ObjectKind::kQueue, spec.namespace_name, spec.queue});
  if (queue) {
    const auto manifest = queue->annotations.find(kManifestAnnotation);
    if (manifest != queue->annotations.end()) {
      folder /= std::filesystem::path(manifest->second).parent_path();
    }
  }
  // An absolute workingDir replaces what is left of it.
  return (folder / spec.working_dir).lexically_normal().string();
}

}  // namespace sluice::local
