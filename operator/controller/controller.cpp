#include "operator/controller/controller.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/log.h"
#include "operator/controller/broker_sync.h"
#include "operator/controller/broker_view.h"
#include "operator/controller/job_reconciler.h"
#include "operator/controller/object_cache.h"
#include "operator/controller/queue_reconciler.h"
#include "operator/controller/schedule_reconciler.h"
#include "operator/controller/work_queue.h"

namespace sluice::op {
namespace {

constexpr ObjectKind kKinds[] = {ObjectKind::kPod, ObjectKind::kQueue, ObjectKind::kSchedule,
                                 ObjectKind::kJob};

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

}  // namespace

class Controller::Parts {
 public:
  Parts(ObjectStore& store, BrokerApi& broker, const PodTemplateBuilder& pods,
        EventRecorder& events, const Clock& clock, ControllerOptions options)
      : store_(store),
        threads_wanted_(options.threads),
        first_contact_max_(options.first_contact_max),
        clock_(clock),
        observer_(options.observer),
        queue_(clock, options.jitter_seed),
        context_{store, broker, cache_, view_, queue_, pods, events, clock},
        queues_(context_, options.injected_version, options.start_backoff_seconds_max),
        jobs_(context_),
        schedules_(context_),
        sync_(broker, view_, cache_, queue_,
              {options.reconnect_min, options.reconnect_max, options.jitter_seed}) {}

  ~Parts() { stop(); }

  void start() {
    for (const ObjectKind kind : kKinds) {
      watches_.push_back(store_.watch(
          kind, [this](const WatchEvent& event) { on_event(event); }, [this] { on_synced(); }));
    }
    // The broker is met when the objects are known: only then can both sides be compared.
    starter_ = std::thread([this] {
      if (!wait_synced()) return;
      sync_.start();
      if (!await_broker()) return;
      for (int i = 0; i < threads_wanted_; ++i) workers_.emplace_back([this] { work(); });
    });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      is_stopped_ = true;
    }
    changed_.notify_all();
    if (starter_.joinable()) starter_.join();
    queue_.shut_down();
    sync_.stop();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    watches_.clear();
  }

  bool idle() const {
    {
      const std::lock_guard lock(mutex_);
      if (synced_kinds_ < std::size(kKinds)) return false;
    }
    return queue_.is_idle();
  }

  bool wait_idle(std::chrono::milliseconds timeout) {
    {
      std::unique_lock lock(mutex_);
      const auto is_synced = [this] { return synced_kinds_ == std::size(kKinds); };
      if (!changed_.wait_for(lock, timeout, is_synced)) return false;
    }
    return queue_.wait_idle(timeout);
  }

  bool broker_reachable() const { return view_.is_reachable(); }
  WorkQueue::Figures work_queue() const { return queue_.figures(); }
  void wake() { queue_.wake(); }

 private:
  void on_event(const WatchEvent& event) {
    if (!cache_.observe(event)) return;
    const ObjectKey& key = event.object.key;
    if (key.kind == ObjectKind::kPod) return on_pod(event);
    queue_.add(key, is_synced() ? Lane::kEvent : Lane::kBacklog);
    if (key.kind == ObjectKind::kQueue && event.type != EventType::kModified && is_synced()) {
      wake_dependents(key);
    }
    if (key.kind != ObjectKind::kJob) return;
    for (const ObjectKey& child : jobs_.waiting_for(key)) queue_.add(child);
  }

  void on_pod(const WatchEvent& event) {
    if (event.type == EventType::kDeleted) queues_.pod_vanished(event.object);
    const auto label = event.object.labels.find(kQueueLabel);
    if (label == event.object.labels.end()) return;
    queue_.add({ObjectKind::kQueue, event.object.key.namespace_name, label->second});
  }

  // Jobs and Schedules name their queue, and wait for one that is missing.
  void wake_dependents(const ObjectKey& queue) {
    for (const ObjectKind kind : {ObjectKind::kSchedule, ObjectKind::kJob}) {
      for (const ObjectKey& key : cache_.keys(kind, queue.namespace_name)) {
        queue_.add(key, Lane::kBacklog);
      }
    }
  }

  void on_synced() {
    {
      const std::lock_guard lock(mutex_);
      ++synced_kinds_;
    }
    changed_.notify_all();
  }

  bool is_synced() const {
    const std::lock_guard lock(mutex_);
    return synced_kinds_ == std::size(kKinds);
  }

  bool wait_synced() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_stopped_ || synced_kinds_ == std::size(kKinds); });
    return !is_stopped_;
  }

  // False once stopped.
  bool await_broker() {
    constexpr std::chrono::milliseconds kLookEvery{10};
    const auto end = clock_.now().steady + first_contact_max_;
    std::unique_lock lock(mutex_);
    while (!is_stopped_ && !view_.is_reachable() && clock_.now().steady < end) {
      changed_.wait_for(lock, kLookEvery);
    }
    return !is_stopped_;
  }

  void work() {
    while (const auto key = queue_.take()) {
      serve(*key);
      queue_.done(*key);
    }
  }

  void serve(const ObjectKey& key) {
    const SteadyPoint began = clock_.now().steady;
    const auto result = reconciler_of(key.kind).reconcile(key);
    if (observer_ != nullptr) {
      observer_->reconciled(key.kind, !result, clock_.now().steady - began);
    }
    if (result) {
      queue_.forget(key);
      if (result->requeue_after) queue_.add_after(key, *result->requeue_after);
      return;
    }
    log_info("reconcile again later", {{"kind", kind_name(key.kind)},
                                       {"namespace", key.namespace_name},
                                       {"name", key.name},
                                       {"error", result.error().message}});
    queue_.retry(key);
  }

  Reconciler& reconciler_of(ObjectKind kind) {
    switch (kind) {
      case ObjectKind::kJob:
        return jobs_;
      case ObjectKind::kSchedule:
        return schedules_;
      case ObjectKind::kQueue:
      case ObjectKind::kPod:
        break;  // pods are queued under their queue's key
    }
    return queues_;
  }

  ObjectStore& store_;
  const int threads_wanted_;
  const Duration first_contact_max_;
  const Clock& clock_;
  ReconcileObserver* const observer_;
  ObjectCache cache_;
  BrokerView view_;
  WorkQueue queue_;
  const ReconcileContext context_;
  QueueReconciler queues_;
  JobReconciler jobs_;
  ScheduleReconciler schedules_;
  BrokerSync sync_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t synced_kinds_ = 0;
  bool is_stopped_ = false;
  std::thread starter_;
  std::vector<std::thread> workers_;  // the starter's until it ended
  std::vector<std::unique_ptr<Watch>> watches_;
};

Controller::Controller(ObjectStore& store, BrokerApi& broker, const PodTemplateBuilder& pods,
                       EventRecorder& events, const Clock& clock, ControllerOptions options)
    : parts_(std::make_unique<Parts>(store, broker, pods, events, clock, std::move(options))) {}

Controller::~Controller() = default;

void Controller::start() {
  parts_->start();
}
void Controller::stop() {
  parts_->stop();
}
bool Controller::broker_reachable() const {
  return parts_->broker_reachable();
}
WorkQueue::Figures Controller::work_queue() const {
  return parts_->work_queue();
}
bool Controller::idle() const {
  return parts_->idle();
}
bool Controller::wait_idle(std::chrono::milliseconds timeout) {
  return parts_->wait_idle(timeout);
}
void Controller::wake() {
  parts_->wake();
}

}  // namespace sluice::op
