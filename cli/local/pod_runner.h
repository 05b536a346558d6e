// Local mode's kubelet: a worker process for every pod object, and the pod's status from the
// process.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/local/bounded_log.h"
#include "cli/local/event_loop.h"
#include "cli/local/processes.h"
#include "operator/controller/broker_api.h"
#include "operator/controller/local_pod.h"
#include "operator/controller/memory_object_store.h"
#include "operator/controller/pod_status.h"

namespace sluice::local {

struct PodRunnerOptions {
  std::string worker_program;             // path of sluice-worker
  std::filesystem::path manifest_folder;  // working folders are relative to the Queue's manifest
  std::filesystem::path log_folder;
  std::function<void(const std::string&)> complain;  // tells people what went wrong
};

// A pod's process runs once: when it ends, the pod has ended, the controller tells the broker, so
// that its leases are free at once, and makes another pod. A pod with a deletion time gets SIGTERM,
// after its grace SIGKILL, and is gone once its process is. Whatever a worker leaves behind (the
// handlers of one that was killed) ends with it, found by a mark in the environment.
//
// Threads: the event loop's, which must not run any more once this is gone.
class PodRunner {
 public:
  static constexpr std::size_t kLogBytesMax = 1024 * 1024;  // of a worker, and as much before it
  static constexpr std::size_t kLogFilesMax = 100;
  static constexpr const char* kMark = "SLUICE_POD_UID";

  PodRunner(EventLoop& loop, Processes& processes, op::MemoryObjectStore& store,
            PodRunnerOptions options);

  void start();
  // Ends every worker, orderly, and starts no other.
  void drain();
  // Ends every worker now.
  void kill();

  std::size_t running() const { return running_; }  // processes

  struct Workers {
    int ready = 0;
    int wanted = 0;  // pods that have not ended and are not ending
  };
  std::map<op::QueueRef, Workers> workers() const;

 private:
  struct Pod {
    op::Object object;
    op::LocalPod spec;
    op::PodStatus status;
    std::optional<Pid> pid;
    std::optional<BoundedLog> log;
    std::string last_line;
    bool terminating = false;
    bool gone = false;  // the object, before its process
  };

  void on_event(const op::WatchEvent& event);
  void start_pod(const op::Object& object);
  Status start_worker(Pod& pod);
  void on_line(const std::string& uid, std::string_view line);
  void on_end(const std::string& uid, const ProcessEnd& end);
  void terminate(Pod& pod);
  void finish_removal(const op::Object& object);
  void write_status(const Pod& pod);
  void fail(Pod& pod, const std::string& reason, const std::string& message);
  void complain_of(const Pod& pod, const std::string& what);
  std::string working_folder(const op::LocalPod& spec) const;

  EventLoop& loop_;
  Processes& processes_;
  op::MemoryObjectStore& store_;
  const PodRunnerOptions options_;
  std::map<std::string, Pod> pods_;                // by UID
  std::map<op::QueueRef, std::string> last_said_;  // of its workers, until one is ready
  std::size_t running_ = 0;
  bool draining_ = false;
  std::unique_ptr<op::Watch> watch_;  // last: ends before what its events touch
};

}  // namespace sluice::local
