#include "operator/kube/object_codec.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "operator/controller/json_read.h"
#include "operator/controller/pod_builder.h"
#include "operator/kube/api_error.h"
#include "operator/kube/pod_digest.h"
#include "operator/kube/resource_path.h"

namespace sluice::kube {
namespace {

using nlohmann::json;
using op::member;
using op::Object;
using op::ObjectKind;
using op::text_at;

// kubectl's copy of the whole manifest.
constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::size_t kNamePrefixMax = 50;  // the server adds five characters, names have 63

std::map<std::string, std::string> text_map(const json& value) {
  std::map<std::string, std::string> found;
  if (!value.is_object()) return found;
  for (const auto& [name, text] : value.items()) {
    if (text.is_string()) found.emplace(name, text.get_ref<const std::string&>());
  }
  return found;
}

// The manager spec.replicas belongs to; when ours shares it with another, the other: it is theirs
// to decide (a pin).
std::string replicas_manager(const json& metadata) {
  std::string manager;
  for (const json& entry : member(metadata, "managedFields")) {
    const json& spec = member(member(entry, "fieldsV1"), "f:spec");
    if (!spec.is_object() || !spec.contains("f:replicas")) continue;
    if (manager.empty() || manager == op::kFieldManager) manager = text_at(entry, "manager");
  }
  return manager;
}

void read_owner(const json& metadata, Object& object) {
  for (const json& owner : member(metadata, "ownerReferences")) {
    if (!op::bool_at(owner, "controller")) continue;
    object.owner_uid = text_at(owner, "uid");
    object.owner_name = text_at(owner, "name");
  }
}

std::string text_or_empty_object(const json& value) {
  return value.is_object() ? op::dump_json(value) : "{}";
}

// How deep an object's own members lie in a document that holds it.
constexpr int kAlone = 1;
constexpr int kInWatchLine = 2;
constexpr int kInList = 3;

// Parses while dropping what decode() would not look at, which is most of the text: bookkeeping of
// field managers, kubectl's copies, and pods' specs but for their containers' names.
json parse_kept(ObjectKind kind, std::string_view text, int members_depth) {
  std::string section;
  const auto is_kept = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event != json::parse_event_t::key || depth < members_depth) return true;
    const auto& key = parsed.get_ref<const std::string&>();
    if (depth == members_depth) {
      section = key;
      return true;
    }
    const int below = depth - members_depth;
    if (section == "metadata") {
      // A Queue's managers say who decides its replicas.
      if (below == 1 && key == "managedFields") return kind == ObjectKind::kQueue;
      return below != 2 || key != kLastApplied;
    }
    if (section != "spec" || kind != ObjectKind::kPod) return true;
    return (below == 1 && key == "containers") || (below == 3 && key == "name");
  };
  return json::parse(text, is_kept, /*allow_exceptions=*/false);
}

json document_of(const Object& object) {
  json document;
  document["apiVersion"] = api_version(object.key.kind);
  document["kind"] = kind_name(object.key.kind);
  json& metadata = document["metadata"] = json::object();
  metadata["namespace"] = object.key.namespace_name;
  if (!object.labels.empty()) metadata["labels"] = object.labels;
  if (!object.annotations.empty()) metadata["annotations"] = object.annotations;
  if (!object.owner_uid.empty()) {
    metadata["ownerReferences"] = json::array({json{{"apiVersion", api_version(ObjectKind::kQueue)},
                                                    {"kind", kind_name(ObjectKind::kQueue)},
                                                    {"name", object.owner_name},
                                                    {"uid", object.owner_uid},
                                                    {"controller", true}}});
  }
  json spec = op::parse_json(object.spec_json);
  document["spec"] = spec.is_object() ? std::move(spec) : json::object();
  return document;
}

// Arrays are compared whole: defaults inside their items make them differ, which costs a write.
bool contains_all(const json& live, const json& wanted) {
  if (!wanted.is_object() || !live.is_object()) return live == wanted;
  for (const auto& [name, value] : wanted.items()) {
    const auto it = live.find(name);
    if (it == live.end() || !contains_all(*it, value)) return false;
  }
  return true;
}

bool contains_all(const std::map<std::string, std::string>& live,
                  const std::map<std::string, std::string>& wanted) {
  for (const auto& [name, value] : wanted) {
    const auto it = live.find(name);
    if (it == live.end() || it->second != value) return false;
  }
  return true;
}

Object decode(ObjectKind kind, const json& document) {
  const json& metadata = member(document, "metadata");
  Object object;
  object.key = {kind, text_at(metadata, "namespace"), text_at(metadata, "name")};
  object.uid = text_at(metadata, "uid");
  object.resource_version = text_at(metadata, "resourceVersion");
  object.generation = op::integer_at(metadata, "generation");
  object.created_at = op::time_at(metadata, "creationTimestamp").value_or(TimePoint{});
  object.deletion_time = op::time_at(metadata, "deletionTimestamp");
  object.labels = text_map(member(metadata, "labels"));
  read_owner(metadata, object);
  if (kind == ObjectKind::kPod) {
    object.status_json = digest_pod_status(document);
    return object;
  }
  object.annotations = text_map(member(metadata, "annotations"));
  if (kind == ObjectKind::kQueue) object.replicas_manager = replicas_manager(metadata);
  object.spec_json = text_or_empty_object(member(document, "spec"));
  object.status_json = text_or_empty_object(member(document, "status"));
  return object;
}

Error not_an_object(const char* what) {
  return {ErrorCode::kCorruption, std::string("the API server sent what is no ") + what};
}

}  // namespace

Result<Object> decode_object(ObjectKind kind, std::string_view text) {
  Object object = decode(kind, parse_kept(kind, text, kAlone));
  if (object.key.name.empty()) return not_an_object("object");
  return object;
}

Result<ObjectPage> decode_page(ObjectKind kind, std::string_view text) {
  const json document = parse_kept(kind, text, kInList);
  const json& items = member(document, "items");
  // An empty list may come as null.
  if (!document.is_object() || !member(document, "metadata").is_object() ||
      !(items.is_array() || items.is_null())) {
    return not_an_object("list");
  }
  ObjectPage page;
  page.resource_version = text_at(member(document, "metadata"), "resourceVersion");
  page.next = text_at(member(document, "metadata"), "continue");
  page.objects.reserve(items.size());
  for (const json& item : items) page.objects.push_back(decode(kind, item));
  return page;
}

WatchLine decode_watch_line(ObjectKind kind, std::string_view text) {
  using Type = WatchLine::Type;
  constexpr std::pair<const char*, Type> kTypes[] = {{"ADDED", Type::kAdded},
                                                     {"MODIFIED", Type::kModified},
                                                     {"DELETED", Type::kDeleted},
                                                     {"BOOKMARK", Type::kBookmark}};
  const json document = parse_kept(kind, text, kInWatchLine);
  const std::string type_name = text_at(document, "type");
  const json& object = member(document, "object");
  for (const auto& [name, type] : kTypes) {
    if (type_name == name && object.is_object())
      return {.type = type, .object = decode(kind, object)};
  }
  if (type_name == "ERROR") return {.error = error_of_status(object)};
  return {.error = not_an_object("watch event")};
}

std::string encode_object(const Object& object) {
  json document = document_of(object);
  document["metadata"]["name"] = object.key.name;
  return op::dump_json(document);
}

std::string encode_nameless(const Object& object) {
  json document = document_of(object);
  document["metadata"]["generateName"] = object.key.name.substr(0, kNamePrefixMax) + "-";
  return op::dump_json(document);
}

std::string encode_replicas(const op::ObjectKey& queue, const std::string& uid, int replicas) {
  // The uid keeps apply from making a queue that is gone.
  const json document = {
      {"apiVersion", api_version(queue.kind)},
      {"kind", kind_name(queue.kind)},
      {"metadata", {{"namespace", queue.namespace_name}, {"name", queue.name}, {"uid", uid}}},
      {"spec", {{"replicas", replicas}}}};
  return op::dump_json(document);
}

Result<std::string> encode_status_patch(const std::string& resource_version,
                                        std::string_view status_json) {
  json status = op::parse_json(status_json);
  if (!status.is_object()) {
    return Error{ErrorCode::kInvalidArgument, "the status is not a JSON object", "status"};
  }
  json patch = json::array();
  // Another version than the stored one is refused as a conflict.
  if (!resource_version.empty()) {
    patch.push_back(
        {{"op", "replace"}, {"path", "/metadata/resourceVersion"}, {"value", resource_version}});
  }
  patch.push_back({{"op", "add"}, {"path", "/status"}, {"value", std::move(status)}});
  return op::dump_json(patch);
}

std::string encode_delete_options(const std::string& uid) {
  json options = {
      {"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", "Background"}};
  if (!uid.empty()) options["preconditions"]["uid"] = uid;
  return op::dump_json(options);
}

bool has_replicas(const Object& queue, int replicas) {
  const json spec = op::parse_json(queue.spec_json);
  return spec.is_object() && spec.contains("replicas") &&
         op::integer_at(spec, "replicas") == replicas;
}

bool has_all_of(const Object& live, const Object& wanted) {
  return contains_all(op::parse_json(live.spec_json), op::parse_json(wanted.spec_json)) &&
         contains_all(live.labels, wanted.labels) &&
         contains_all(live.annotations, wanted.annotations);
}

}  // namespace sluice::kube
