// Kubernetes' JSON and op::Object: what is kept of each kind, and what is sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "operator/controller/object_store.h"

namespace sluice::kube {

// Of our kinds: spec and status as compact JSON, labels, annotations but kubectl's copy of the
// manifest, and of a Queue the manager of spec.replicas. Of a pod only its labels, its controller
// and the parts of its status pod_status.h and the conditions read, its first container's first: a
// pod's JSON is ten times what is kept.
// What is missing or of another type keeps its default. kCorruption when `text` is not an object
// with a name.
Result<op::Object> decode_object(op::ObjectKind kind, std::string_view text);

// One page of a list.
struct ObjectPage {
  std::vector<op::Object> objects;
  std::string resource_version;
  std::string next;  // the continue token; empty: this is the last page
};
Result<ObjectPage> decode_page(op::ObjectKind kind, std::string_view text);

// One line of a watch; a bookmark's object has nothing but its resource version.
struct WatchLine {
  enum class Type { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kError;
  op::Object object = {};
  Error error = {};  // of kError: error_of_status(), or kCorruption for what is no watch event
};
WatchLine decode_watch_line(op::ObjectKind kind, std::string_view text);

// Labels, annotations, spec and, when owner_uid is set, the owner reference; never the status.
std::string encode_object(const op::Object& object);
// The same under a name the server makes, so that it clashes with nothing.
std::string encode_nameless(const op::Object& object);
// Only spec.replicas of the Queue with that uid, for server-side apply.
std::string encode_replicas(const op::ObjectKey& queue, const std::string& uid, int replicas);
// A JSON patch that sets the whole status, if `resource_version` is empty or still the object's.
// kInvalidArgument when `status_json` is not JSON.
Result<std::string> encode_status_patch(const std::string& resource_version,
                                        std::string_view status_json);

// The body of a DELETE: only the object with that uid (any, if it is empty), and what it owns with
// it.
std::string encode_delete_options(const std::string& uid);

bool has_replicas(const op::Object& queue, int replicas);
// Whether `live` already has all that applying `wanted` would set.
bool has_all_of(const op::Object& live, const op::Object& wanted);

}  // namespace sluice::kube
