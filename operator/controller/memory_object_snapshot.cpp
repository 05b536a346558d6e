// What local mode keeps of its objects from one start to the next.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/check.h"
#include "operator/controller/json_read.h"
#include "operator/controller/memory_object_store.h"

namespace sluice::op {
namespace {

using nlohmann::json;

// {"version": 1, "resourceVersion": N, "objects": [{"kind", "namespace", "name", "uid",
//  "resourceVersion", "generation", "createdAt", "labels", "annotations", "ownerUid",
//  "replicasManager", "spec", "status"}]}
// spec and status are JSON text inside a string: a payload keeps its bytes.
constexpr int kSnapshotVersion = 1;

constexpr std::pair<ObjectKind, const char*> kKinds[] = {
    {ObjectKind::kQueue, "Queue"}, {ObjectKind::kJob, "Job"}, {ObjectKind::kSchedule, "Schedule"}};

json to_json(const Object& object, const char* kind) {
  return {{"kind", kind},
          {"namespace", object.key.namespace_name},
          {"name", object.key.name},
          {"uid", object.uid},
          {"resourceVersion", object.resource_version},
          {"generation", object.generation},
          {"createdAt", format_rfc3339(object.created_at)},
          {"labels", object.labels},
          {"annotations", object.annotations},
          {"ownerUid", object.owner_uid},
          {"replicasManager", object.replicas_manager},
          {"spec", object.spec_json},
          {"status", object.status_json}};
}

std::map<std::string, std::string> texts_at(const json& value, const char* name) {
  std::map<std::string, std::string> texts;
  for (const auto& [key, text] : member(value, name).items()) {
    if (text.is_string()) texts.emplace(key, text.get<std::string>());
  }
  return texts;
}

std::optional<Object> object_from(const json& value) {
  const std::string kind = text_at(value, "kind");
  const auto known = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const auto& entry) { return kind == entry.second; });
  const auto created_at = time_at(value, "createdAt");
  Object object;
  object.key = {ObjectKind::kQueue, text_at(value, "namespace"), text_at(value, "name")};
  object.uid = text_at(value, "uid");
  object.resource_version = text_at(value, "resourceVersion");
  object.generation = integer_at(value, "generation");
  object.labels = texts_at(value, "labels");
  object.annotations = texts_at(value, "annotations");
  object.owner_uid = text_at(value, "ownerUid");
  object.replicas_manager = text_at(value, "replicasManager");
  object.spec_json = text_at(value, "spec");
  object.status_json = text_at(value, "status");
  if (known == std::end(kKinds) || !created_at || object.key.name.empty() || object.uid.empty() ||
      object.resource_version.empty() || object.generation < 1) {
    return std::nullopt;
  }
  object.key.kind = known->first;
  object.created_at = *created_at;
  return object;
}

}  // namespace

std::string MemoryObjectStore::snapshot() const {
  const std::lock_guard lock(mutex_);
  json objects = json::array();
  for (const auto& [key, object] : objects_) {
    for (const auto& [kind, name] : kKinds) {
      if (key.kind == kind) objects.push_back(to_json(object, name));
    }
  }
  return dump_json(
      {{"version", kSnapshotVersion}, {"resourceVersion", version_}, {"objects", objects}});
}

Status MemoryObjectStore::restore(std::string_view text) {
  const json document = parse_json(text);
  if (integer_at(document, "version") != kSnapshotVersion ||
      !member(document, "objects").is_array()) {
    return Error{ErrorCode::kCorruption, "not a snapshot of declared objects, version 1"};
  }
  std::map<ObjectKey, Object> objects;
  for (const json& value : member(document, "objects")) {
    auto object = object_from(value);
    if (!object) return Error{ErrorCode::kCorruption, "an object of the snapshot is not whole"};
    const ObjectKey key = object->key;
    objects.insert_or_assign(key, std::move(*object));
  }

  const std::lock_guard lock(mutex_);
  CHECK(objects_.empty() && subscriptions_.empty());
  objects_ = std::move(objects);
  version_ = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, integer_at(document, "resourceVersion")));
  return Ok{};
}

}  // namespace sluice::op
