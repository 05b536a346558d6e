#include "operator/kube/kube_object_store.h"

#include <mutex>
#include <utility>

#include "common/http/client.h"
#include "operator/kube/api_error.h"
#include "operator/kube/object_codec.h"
#include "operator/kube/resource_path.h"

namespace sluice::kube {
namespace {

using op::Object;
using op::ObjectKey;
using op::ObjectKind;
using op::WatchEvent;

constexpr Duration kCallTimeout = std::chrono::seconds{10};
constexpr Duration kListTimeout = std::chrono::seconds{60};
constexpr const char* kApplyType = "application/apply-patch+yaml";  // JSON is YAML
constexpr const char* kJsonPatchType = "application/json-patch+json";
constexpr int kListsMax = 3;  // of a list whose continue tokens expire

std::string as_manager(std::string path) {
  return path.append("?fieldManager=").append(op::kFieldManager);
}

std::vector<std::string> or_all(std::vector<std::string> namespaces) {
  if (namespaces.empty()) namespaces.emplace_back();
  return namespaces;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// One watch over several namespaces.
class KubeWatch final : public op::Watch {
 public:
  KubeWatch(std::function<void(const WatchEvent&)> on_event, std::function<void()> on_synced,
            std::size_t parts)
      : on_event_(std::move(on_event)), on_synced_(std::move(on_synced)), unsynced_(parts) {}

  void add(std::unique_ptr<ApiClient> client, const Clock& clock, ObjectKind kind,
           const std::string& namespace_name, const WatchOptions& options) {
    parts_.push_back(std::make_unique<ObjectWatch>(
        std::move(client), clock, kind, namespace_name, options,
        ObjectWatch::Listener{[this](const WatchEvent& event) { tell(event); },
                              [this] { part_synced(); }}));
  }

 private:
  void tell(const WatchEvent& event) {
    const std::lock_guard lock(mutex_);
    on_event_(event);
  }
  void part_synced() {
    const std::lock_guard lock(mutex_);
    if (--unsynced_ == 0 && on_synced_) on_synced_();
  }

  std::mutex mutex_;  // held in callbacks: they come one at a time
  const std::function<void(const WatchEvent&)> on_event_;
  const std::function<void()> on_synced_;
  std::size_t unsynced_;
  std::vector<std::unique_ptr<ObjectWatch>> parts_;  // last: their threads use the rest
};

}  // namespace

KubeObjectStore::KubeObjectStore(ApiClient& client, MakeClient make_client, const Clock& clock,
                                 KubeStoreOptions options)
    : make_client_(std::move(make_client)),
      clock_(clock),
      namespaces_(or_all(std::move(options.namespaces))),
      watch_options_(options.watch),
      calls_(client, options.calls) {}

Result<Object> KubeObjectStore::call(ObjectKind kind, const ApiRequest& request) {
  const auto body = calls_.call(request);
  if (!body) return body.error();
  return decode_object(kind, *body);
}

Result<Object> KubeObjectStore::get(const ObjectKey& key) {
  return call(key.kind, {.path = object_path(key), .timeout = kCallTimeout});
}

Result<std::vector<Object>> KubeObjectStore::list(ObjectKind kind) {
  std::vector<Object> found;
  for (const std::string& namespace_name : namespaces_) {
    const std::size_t before = found.size();
    Status listed = Ok{};
    for (int tries = 0; tries < kListsMax; ++tries) {
      found.resize(before);
      listed = list_namespace(kind, namespace_name, tries == 0, found);
      if (listed || !is_expired(listed.error())) break;
    }
    if (!listed) return listed.error();
  }
  return found;
}

Status KubeObjectStore::list_namespace(ObjectKind kind, const std::string& namespace_name,
                                       bool is_paged, std::vector<Object>& found) {
  std::string next;
  do {
    std::string path = collection_path(kind, namespace_name) +
                       "?limit=" + std::to_string(is_paged ? watch_options_.page_size : 0);
    if (!next.empty()) path += "&continue=" + http::percent_encode(next);
    const auto body = calls_.call({.path = std::move(path), .timeout = kListTimeout});
    if (!body) return body.error();
    auto page = decode_page(kind, *body);
    if (!page) return page.error();
    for (Object& object : page->objects) found.push_back(std::move(object));
    next = std::move(page->next);
  } while (!next.empty());
  return Ok{};
}

std::unique_ptr<op::Watch> KubeObjectStore::watch(ObjectKind kind,
                                                  std::function<void(const WatchEvent&)> on_event,
                                                  std::function<void()> on_synced) {
  auto watch =
      std::make_unique<KubeWatch>(std::move(on_event), std::move(on_synced), namespaces_.size());
  WatchOptions options = watch_options_;
  for (const std::string& namespace_name : namespaces_) {
    options.jitter_seed = watch_options_.jitter_seed + watches_++;
    watch->add(make_client_(), clock_, kind, namespace_name, options);
  }
  return watch;
}

Result<Object> KubeObjectStore::create(Object object) {
  return call(object.key.kind,
              {.method = "POST",
               .path = as_manager(collection_path(object.key.kind, object.key.namespace_name)),
               .body = encode_object(object),
               .timeout = kCallTimeout});
}

Result<Object> KubeObjectStore::apply(Object object) {
  // What was written in another way belongs to another entry of the field managers: applying the
  // same would be a write.
  auto live = get(object.key);
  if (live && has_all_of(*live, object)) return live;
  if (!live && live.error().code != ErrorCode::kNotFound) return live;
  return call(object.key.kind, {.method = "PATCH",
                                .path = as_manager(object_path(object.key)) + "&force=true",
                                .body = encode_object(object),
                                .content_type = kApplyType,
                                .timeout = kCallTimeout});
}

Result<Object> KubeObjectStore::update_status(const ObjectKey& key,
                                              const std::string& resource_version,
                                              std::string status_json) {
  auto patch = encode_status_patch(resource_version, status_json);
  if (!patch) return patch.error();
  return call(key.kind, {.method = "PATCH",
                         .path = as_manager(object_path(key) + "/status"),
                         .body = *std::move(patch),
                         .content_type = kJsonPatchType,
                         .timeout = kCallTimeout});
}

Result<Object> KubeObjectStore::set_replicas(const ObjectKey& queue, int replicas) {
  const auto live = get(queue);
  if (!live) return live;
  // Apply refuses to change a field of another manager's, but would share one that is equal.
  if (!live->replicas_manager.empty() && live->replicas_manager != op::kFieldManager) {
    return Error{ErrorCode::kConflict, "spec.replicas belongs to " + live->replicas_manager,
                 "spec.replicas"};
  }
  if (has_replicas(*live, replicas)) return live;
  return call(queue.kind, {.method = "PATCH",
                           .path = as_manager(object_path(queue)) + "&force=false",
                           .body = encode_replicas(queue, live->uid, replicas),
                           .content_type = kApplyType,
                           .timeout = kCallTimeout});
}

Status KubeObjectStore::check_pod(const Object& pod) {
  const auto body =
      calls_.call({.method = "POST",
                   .path = as_manager(collection_path(ObjectKind::kPod, pod.key.namespace_name)) +
                           "&dryRun=All",
                   .body = encode_nameless(pod),
                   .timeout = kCallTimeout});
  if (body) return Ok{};
  Error error = body.error();
  if (error.code != ErrorCode::kPermissionDenied) return error;
  // Room that is missing now says nothing about the pod; creating it will tell.
  if (contains(error.message, "exceeded quota")) return Ok{};
  // What the operator itself may not do is not the pod's fault either.
  if (!contains(error.message, "cannot create resource")) error.code = ErrorCode::kInvalidArgument;
  return error;
}

Status KubeObjectStore::remove(const ObjectKey& key, const std::string& uid) {
  const auto body = calls_.call({.method = "DELETE",
                                 .path = object_path(key),
                                 .body = encode_delete_options(uid),
                                 .timeout = kCallTimeout});
  if (!body) return body.error();
  return Ok{};
}

}  // namespace sluice::kube
