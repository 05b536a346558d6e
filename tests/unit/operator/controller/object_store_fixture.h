// What the tests of every ObjectStore stand on.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "operator/controller/object_store.h"

namespace sluice::op {

// What differs between the stores. A Fixture has
//   ObjectStore& store()
//   std::string namespace_name()                     of its own
//   std::string missing()                            why the test cannot run here; empty: it can
//   void finish_removal(const Object& pod)           plays what runs pods
//   void pin_replicas(const ObjectKey&, int)         plays another manager of spec.replicas
//   bool eventually(std::function<bool()> fact)      waits, where others act on their own
template <typename Fixture>
class ObjectStoreContract : public ::testing::Test {
 protected:
  static constexpr const char* kQueueSpec = R"({"timeoutSeconds":5})";
  static constexpr const char* kOtherQueueSpec = R"({"timeoutSeconds":6})";

  void SetUp() override {
    if (const std::string reason = fixture_.missing(); !reason.empty()) GTEST_SKIP() << reason;
  }

  ObjectStore& store() { return fixture_.store(); }
  ObjectKey key(ObjectKind kind, const std::string& name) {
    return {kind, fixture_.namespace_name(), name};
  }

  Object queue(const std::string& name, const std::string& spec = kQueueSpec) {
    Object object;
    object.key = key(ObjectKind::kQueue, name);
    object.spec_json = spec;
    return object;
  }
  Object job(const std::string& name, const std::string& payload = "1") {
    Object object;
    object.key = key(ObjectKind::kJob, name);
    object.spec_json = R"({"queue":"a","payload":)" + payload + "}";
    return object;
  }
  // Waits for a gate that never opens: no node runs it.
  Object pod(const std::string& name, const Object& owner) {
    Object object;
    object.key = key(ObjectKind::kPod, name);
    object.labels["sluice.dev/queue"] = owner.key.name;
    object.owner_uid = owner.uid;
    object.owner_name = owner.key.name;
    object.spec_json = R"({"containers":[{"name":"main","image":"none"}],)"
                       R"("schedulingGates":[{"name":"sluice.dev/test"}]})";
    return object;
  }
  // Pods go when what runs them says so; one that never ran may be gone at once.
  bool is_going(const ObjectKey& pod) {
    const auto live = store().get(pod);
    return live ? live->deletion_time.has_value() : live.error().code == ErrorCode::kNotFound;
  }

  // What a watch said, in order; waits are bounded.
  struct Heard {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> lines;  // "+name", "~name", "-name", "synced"

    void say(std::string line) {
      {
        const std::lock_guard lock(mutex);
        lines.push_back(std::move(line));
      }
      changed.notify_all();
    }
    std::vector<std::string> wait_for(std::size_t count) {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, std::chrono::seconds{30}, [&] { return lines.size() >= count; });
      return lines;
    }
  };

  std::unique_ptr<Watch> watch(ObjectKind kind, Heard& heard) {
    return store().watch(
        kind,
        [&heard](const WatchEvent& event) {
          constexpr const char* kMarks[] = {"+", "~", "-"};
          heard.say(kMarks[static_cast<int>(event.type)] + event.object.key.name);
        },
        [&heard] { heard.say("synced"); });
  }

  Fixture fixture_;
};

}  // namespace sluice::op
