// A store, a broker, a kubelet and operators that come and go.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "operator/controller/controller.h"
#include "operator/controller/local_pod.h"
#include "operator/controller/memory_object_store.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/operator/controller/fake_broker_api.h"

namespace sluice::testing {

using Fuse = FakeBrokerApi::Fuse;

// One operator's way to the store: writes go through its fuse, pod events can be held back.
class FaultyStore final : public op::ObjectStore {
 public:
  FaultyStore(op::ObjectStore& store, Fuse* fuse) : store_(store), fuse_(fuse) {}

  Result<op::Object> get(const op::ObjectKey& key) override;
  Result<std::vector<op::Object>> list(op::ObjectKind kind) override;
  std::unique_ptr<op::Watch> watch(op::ObjectKind kind,
                                   std::function<void(const op::WatchEvent&)> on_event,
                                   std::function<void()> on_synced) override;
  Result<op::Object> create(op::Object object) override;
  Result<op::Object> apply(op::Object object) override;
  Result<op::Object> update_status(const op::ObjectKey& key, const std::string& version,
                                   std::string status_json) override;
  Result<op::Object> set_replicas(const op::ObjectKey& queue, int replicas) override;
  Status check_pod(const op::Object& pod) override;
  Status remove(const op::ObjectKey& key, const std::string& uid) override;

  void hold_pod_events();
  void release_pod_events();

 private:
  bool is_dead() const { return fuse_ != nullptr && fuse_->blown; }
  template <typename T, typename Write>
  Result<T> write(Write write);

  op::ObjectStore& store_;
  Fuse* fuse_;
  std::mutex mutex_;
  bool holding_ = false;
  std::function<void(const op::WatchEvent&)> on_pod_;
  std::vector<op::WatchEvent> held_;
};

// An operator process.
struct Operator {
  Operator(op::ObjectStore& objects, FakeBroker& server, const op::PodTemplateBuilder& pods,
           const Clock& clock, Fuse* fuse);
  ~Operator() { controller.stop(); }

  FaultyStore store;
  FakeBrokerApi broker;
  op::NoEvents events;
  op::Controller controller;
};

class OperatorRig {
 public:
  static inline const op::QueueRef kQueue{"default", "audit"};
  static inline const op::ObjectKey kQueueKey{op::ObjectKind::kQueue, "default", "audit"};

  ~OperatorRig() { operators_.clear(); }

  Operator& start_operator(Fuse* fuse = nullptr);
  void stop_operators() { operators_.clear(); }

  op::Object declare(op::ObjectKind kind, const std::string& name, const std::string& spec_json);
  op::Object declare_queue(int max_replicas = 3, const std::string& deletion_policy = "Retain");
  void remove(const op::Object& object);
  std::string status(const op::ObjectKey& key);
  // "True/Reason" of one condition; empty when there is none.
  std::string condition(const op::ObjectKey& key, const std::string& type);
  std::vector<op::Object> pods() { return *store_.list(op::ObjectKind::kPod); }

  // Lets time pass, and the kubelet and the workers act, until `fact` holds; false when it does not
  // within a bound.
  bool eventually(const std::function<bool()>& fact);
  // The same for a stretch of the manual clock.
  void pass(Duration time);
  std::size_t peak_pods() const { return peak_pods_; }
  std::size_t pods_seen() const { return pods_seen_.size(); }  // ever

  FakeBroker& broker() { return broker_; }
  op::MemoryObjectStore& store() { return store_; }
  ManualClock& clock() { return clock_; }
  bool workers_work = true;
  bool pods_start = true;  // otherwise each ends before it was ready

 private:
  void step();

  ManualClock clock_;
  op::MemoryObjectStore store_{clock_, 1};
  FakeBroker broker_{clock_};
  op::LocalPodBuilder pods_{"http://127.0.0.1:1"};
  std::vector<std::unique_ptr<Operator>> operators_;
  std::size_t peak_pods_ = 0;
  std::set<std::string> pods_seen_;
  std::mutex mutex_;
  std::condition_variable never_;
};

}  // namespace sluice::testing
