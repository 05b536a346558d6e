// The ObjectStore that is the Kubernetes API.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "operator/controller/object_store.h"
#include "operator/kube/api_client.h"
#include "operator/kube/object_watch.h"
#include "operator/kube/patient_calls.h"

namespace sluice::kube {

struct KubeStoreOptions {
  std::vector<std::string> namespaces;  // list() and watch() see; empty: all
  PatientOptions calls = {};
  WatchOptions watch = {};
};

// Every write names the operator as its field manager. Errors carry the server's message
// (api_error.h); a quota that is full and other refusals of admission are kPermissionDenied.
//
// Threads: any. Calls block for their answer, and for what PatientCalls waits.
class KubeObjectStore final : public op::ObjectStore {
 public:
  // A client of its own for each watch, because ending a watch cancels its client.
  using MakeClient = std::function<std::unique_ptr<ApiClient>()>;

  // `client` and `clock` outlive it, and it outlives its watches.
  KubeObjectStore(ApiClient& client, MakeClient make_client, const Clock& clock,
                  KubeStoreOptions options);

  Result<op::Object> get(const op::ObjectKey& key) override;
  Result<std::vector<op::Object>> list(op::ObjectKind kind) override;
  // A thread for each namespace; callbacks come from one at a time.
  std::unique_ptr<op::Watch> watch(op::ObjectKind kind,
                                   std::function<void(const op::WatchEvent&)> on_event,
                                   std::function<void()> on_synced = {}) override;
  Result<op::Object> create(op::Object object) override;
  // Server-side apply: members that `object` lacks stay as they are.
  Result<op::Object> apply(op::Object object) override;
  Result<op::Object> update_status(const op::ObjectKey& key, const std::string& resource_version,
                                   std::string status_json) override;
  Result<op::Object> set_replicas(const op::ObjectKey& queue, int replicas) override;
  Status check_pod(const op::Object& pod) override;
  Status remove(const op::ObjectKey& key, const std::string& uid) override;

  // Ends the waits between tries; ending the client ends the calls.
  void stop() { calls_.end(); }

 private:
  Result<op::Object> call(op::ObjectKind kind, const ApiRequest& request);
  Status list_namespace(op::ObjectKind kind, const std::string& namespace_name, bool is_paged,
                        std::vector<op::Object>& found);

  const MakeClient make_client_;
  const Clock& clock_;
  const std::vector<std::string> namespaces_;  // one without a name: all
  const WatchOptions watch_options_;
  PatientCalls calls_;
  std::atomic<std::uint64_t> watches_{0};
};

}  // namespace sluice::kube
