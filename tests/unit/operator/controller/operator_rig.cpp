#include "tests/unit/operator/controller/operator_rig.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/controller/json_read.h"
#include "operator/controller/pod_status.h"

namespace sluice::testing {
namespace {

using std::chrono::milliseconds;

Error dead() {
  return {ErrorCode::kUnavailable, "this operator has ended"};
}

class ForwardedWatch final : public op::Watch {
 public:
  explicit ForwardedWatch(std::unique_ptr<op::Watch> inner) : inner_(std::move(inner)) {}

 private:
  std::unique_ptr<op::Watch> inner_;
};

op::ControllerOptions fast() {
  op::ControllerOptions options;
  options.threads = 2;
  options.reconnect_min = milliseconds{2};
  options.reconnect_max = milliseconds{10};
  return options;
}

}  // namespace

template <typename T, typename Write>
Result<T> FaultyStore::write(Write write) {
  const Fuse::Leave leave = fuse_ != nullptr ? fuse_->spend() : Fuse::Leave{true, true};
  if (!leave.happens) return dead();
  Result<T> result = write();
  if (!leave.answers) return dead();
  return result;
}

Result<op::Object> FaultyStore::get(const op::ObjectKey& key) {
  if (is_dead()) return dead();
  return store_.get(key);
}

Result<std::vector<op::Object>> FaultyStore::list(op::ObjectKind kind) {
  if (is_dead()) return dead();
  return store_.list(kind);
}

std::unique_ptr<op::Watch> FaultyStore::watch(op::ObjectKind kind,
                                              std::function<void(const op::WatchEvent&)> on_event,
                                              std::function<void()> on_synced) {
  if (kind != op::ObjectKind::kPod) {
    return store_.watch(kind, std::move(on_event), std::move(on_synced));
  }
  {
    const std::lock_guard lock(mutex_);
    on_pod_ = std::move(on_event);
  }
  auto hold_or_pass = [this](const op::WatchEvent& event) {
    {
      const std::lock_guard lock(mutex_);
      if (holding_) {
        held_.push_back(event);
        return;
      }
    }
    on_pod_(event);
  };
  return std::make_unique<ForwardedWatch>(
      store_.watch(kind, std::move(hold_or_pass), std::move(on_synced)));
}

Result<op::Object> FaultyStore::create(op::Object object) {
  return write<op::Object>([&] { return store_.create(std::move(object)); });
}

Result<op::Object> FaultyStore::apply(op::Object object) {
  return write<op::Object>([&] { return store_.apply(std::move(object)); });
}

Result<op::Object> FaultyStore::update_status(const op::ObjectKey& key, const std::string& version,
                                              std::string status_json) {
  return write<op::Object>(
      [&] { return store_.update_status(key, version, std::move(status_json)); });
}

Result<op::Object> FaultyStore::set_replicas(const op::ObjectKey& queue, int replicas) {
  return write<op::Object>([&] { return store_.set_replicas(queue, replicas); });
}

Status FaultyStore::check_pod(const op::Object& pod) {
  return store_.check_pod(pod);
}

Status FaultyStore::remove(const op::ObjectKey& key, const std::string& uid) {
  return write<Ok>([&] { return store_.remove(key, uid); });
}

void FaultyStore::hold_pod_events() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void FaultyStore::release_pod_events() {
  std::vector<op::WatchEvent> late;
  {
    const std::lock_guard lock(mutex_);
    holding_ = false;
    late = std::move(held_);
  }
  for (const auto& event : late) on_pod_(event);
}

Operator::Operator(op::ObjectStore& objects, FakeBroker& server, const op::PodTemplateBuilder& pods,
                   const Clock& clock, Fuse* fuse)
    : store(objects, fuse),
      broker(server, fuse),
      controller(store, broker, pods, events, clock, fast()) {}

Operator& OperatorRig::start_operator(Fuse* fuse) {
  operators_.push_back(std::make_unique<Operator>(store_, broker_, pods_, clock_, fuse));
  operators_.back()->controller.start();
  return *operators_.back();
}

op::Object OperatorRig::declare(op::ObjectKind kind, const std::string& name,
                                const std::string& spec_json) {
  op::Object object;
  object.key = {kind, "default", name};
  object.spec_json = spec_json;
  return *store_.apply(std::move(object));
}

op::Object OperatorRig::declare_queue(int max_replicas, const std::string& deletion_policy) {
  return declare(op::ObjectKind::kQueue, kQueue.name,
                 R"({"worker":{"handler":{"exec":{"command":["true"]}}},)"
                 R"("scaling":{"maxReplicas":)" +
                     std::to_string(max_replicas) +
                     R"(,"backlogPerWorker":1,"idleSeconds":1,)"
                     R"("scaleDown":{"stabilizationSeconds":1}},)"
                     R"("leaseSeconds":5,"deletionPolicy":")" +
                     deletion_policy + R"("})");
}

void OperatorRig::remove(const op::Object& object) {
  const Status removed = store_.remove(object.key, object.uid);
  ASSERT_TRUE(removed);
}

std::string OperatorRig::status(const op::ObjectKey& key) {
  const auto object = store_.get(key);
  return object ? object->status_json : "";
}

std::string OperatorRig::condition(const op::ObjectKey& key, const std::string& type) {
  const auto document = op::parse_json(status(key));
  for (const auto& condition : op::member(document, "conditions")) {
    if (op::text_at(condition, "type") == type) {
      return op::text_at(condition, "status") + "/" + op::text_at(condition, "reason");
    }
  }
  return "";
}

bool OperatorRig::eventually(const std::function<bool()>& fact) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  while (std::chrono::steady_clock::now() < end) {
    step();
    if (fact()) return true;
  }
  return fact();
}

void OperatorRig::pass(Duration time) {
  const TimePoint until = clock_.now().wall + time;
  while (clock_.now().wall < until) step();
}

void OperatorRig::step() {
  std::set<std::string> ready;
  std::size_t count = 0;
  for (const op::Object& pod : pods()) {
    if (pod.deletion_time) {
      broker_.forget_worker(kQueue, pod.uid);
      static_cast<void>(store_.finish_removal(pod.key, pod.uid));
      continue;
    }
    ++count;
    pods_seen_.insert(pod.uid);
    if (!pods_start) {
      op::PodStatus failed;
      failed.phase = op::PodPhase::kFailed;
      failed.exit_code = 78;
      failed.end_message = "no such program";
      static_cast<void>(store_.update_status(pod.key, "", op::encode(failed)));
      continue;
    }
    op::PodStatus running;
    running.phase = op::PodPhase::kRunning;
    running.ready = true;
    static_cast<void>(store_.update_status(pod.key, "", op::encode(running)));
    broker_.see_worker(kQueue, pod.key.name, pod.uid);
    ready.insert(pod.uid);
  }
  peak_pods_ = std::max(peak_pods_, count);
  if (workers_work) broker_.run_jobs(kQueue, ready);
  clock_.advance(milliseconds{50});
  for (auto& one : operators_) one->controller.wake();
  // The threads of the operators get a turn; nothing ever notifies.
  std::unique_lock lock(mutex_);
  never_.wait_for(lock, milliseconds{1});
}

}  // namespace sluice::testing
