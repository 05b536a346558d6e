// One run of `sluice dev`, from the first manifest to the last process.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/local/broker_feed.h"
#include "cli/local/broker_process.h"
#include "cli/local/condition_lines.h"
#include "cli/local/data_folder.h"
#include "cli/local/dev.h"
#include "cli/local/event_loop.h"
#include "cli/local/manifest_folder.h"
#include "cli/local/manifest_set.h"
#include "cli/local/objects_file.h"
#include "cli/local/pod_runner.h"
#include "cli/local/processes.h"
#include "cli/local/view.h"
#include "common/base/clock.h"
#include "operator/controller/controller.h"
#include "operator/controller/local_pod.h"
#include "operator/controller/memory_object_store.h"

namespace sluice::local {

// broker → controller → pods → folder → view. Ends in the other direction: nothing new is made, the
// workers drain while the broker still takes their results, then the broker goes, then the
// objects are written a last time.
//
// Threads: one, which also runs the event loop.
class Session {
 public:
  static constexpr Duration kTickEvery = std::chrono::milliseconds{200};
  static constexpr Duration kBrokerGrace = std::chrono::seconds{20};
  // Here a person waits for the worker, and no cluster suffers from one that is tried often.
  static constexpr int kStartBackoffSecondsMax = 5;

  Session(const DevOptions& options, EventLoop& loop, Processes& processes, DataFolder& data,
          const Clock& clock, View& view, std::uint32_t boot);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Reads what an earlier run left, applies the folder, and writes down what that made, before
  // anything acts on it.
  Status prepare();
  // Blocks until the end; the exit status.
  int run();
  // Somebody wants it to end: orderly the first time, at once the second.
  void interrupt();

 private:
  enum class Phase { kRunning, kDraining, kEndingBroker, kEnded };

  Status start_broker();
  void on_listening(const std::string& url);
  void on_given_up(const std::string& message);
  void on_manifests(const std::vector<ManifestFile>& files);
  void apply(const ManifestChanges& changes);
  void on_signal(const api::QueueSignal& signal);
  void on_idle();
  void begin_end(int exit_status);
  void advance_end();
  void tick();
  void save_objects();
  std::vector<QueueRow> queue_rows() const;

  const DevOptions options_;
  EventLoop& loop_;
  Processes& processes_;
  DataFolder& data_;
  const Clock& clock_;
  View& view_;

  op::MemoryObjectStore store_;
  ObjectsFile objects_file_;
  ManifestSet manifests_;
  std::vector<ManifestFile> first_files_;
  std::map<op::QueueRef, api::QueueFigures> figures_;
  Phase phase_ = Phase::kRunning;
  int exit_status_ = 0;
  bool save_failed_ = false;
  bool forced_ = false;

  // From here on in order of construction: what is below uses what is above.
  std::optional<BrokerProcess> broker_;
  std::optional<PodRunner> pods_;
  std::unique_ptr<op::BrokerApi> broker_api_;
  std::optional<op::LocalPodBuilder> pod_builder_;
  ConditionLines events_;
  std::unique_ptr<op::Controller> controller_;
  std::unique_ptr<FigureFeed> feed_;
  std::unique_ptr<IdleWatch> idle_watch_;
  std::unique_ptr<ManifestFolder> folder_;
};

}  // namespace sluice::local
