#include "operator/kube/watch_index.h"

#include <utility>

#include "operator/controller/object_cache.h"
#include "operator/controller/pod_builder.h"

namespace sluice::kube {
namespace {

using op::EventType;
using op::is_older_version;
using op::Object;
using op::WatchEvent;

std::string text_of(const op::ObjectKey& key) {
  return key.namespace_name + "/" + key.name;
}

Uuid uid_of(const Object& object) {
  return parse_uuid(object.uid).value_or(Uuid{});
}

}  // namespace

void WatchIndex::begin_list(bool is_rewound) {
  ++list_;
  is_rewound_ = is_rewound;
}

void WatchIndex::listed(Object object, const Tell& tell) {
  const auto it = known_.find(text_of(object.key));
  if (it == known_.end()) return add(std::move(object), tell);
  Known& known = it->second;
  known.list = list_;
  const bool is_same = known.uid == uid_of(object) && known.version == object.resource_version;
  const bool is_older = is_older_version(object.resource_version, known.version);
  if (is_same || (is_older && !is_rewound_)) return;
  replace(known, std::move(object), tell);
}

void WatchIndex::end_list(const std::string& list_version, const Tell& tell) {
  for (auto it = known_.begin(); it != known_.end();) {
    if (it->second.list == list_) {
      ++it;
      continue;
    }
    tell(deletion_of(it->first, it->second, list_version));
    it = known_.erase(it);
  }
  is_rewound_ = false;
}

void WatchIndex::changed(WatchEvent event, const Tell& tell) {
  const auto it = known_.find(text_of(event.object.key));
  if (it == known_.end()) {
    if (event.type != EventType::kDeleted) add(std::move(event.object), tell);
    return;
  }
  Known& known = it->second;
  const bool is_same_uid = known.uid == uid_of(event.object);
  if (is_older_version(event.object.resource_version, known.version)) return;
  if (event.type == EventType::kDeleted) {
    if (!is_same_uid) return;
    known_.erase(it);
    return tell(event);
  }
  if (is_same_uid && known.version == event.object.resource_version) return;
  replace(known, std::move(event.object), tell);
}

void WatchIndex::add(Object object, const Tell& tell) {
  known_.insert_or_assign(text_of(object.key), known_of(object));
  tell({EventType::kAdded, std::move(object)});
}

// Another uid under the name: the former object's deletion was missed. Its version is not above the
// new object's, so that listeners who order by version take the new one.
void WatchIndex::replace(Known& known, Object object, const Tell& tell) {
  const bool goes_back = is_older_version(object.resource_version, known.version);
  const bool is_other = goes_back || known.uid != uid_of(object);
  if (is_other) {
    tell(deletion_of(text_of(object.key), known,
                     goes_back ? object.resource_version : known.version));
  }
  known = known_of(object);
  tell({is_other ? EventType::kAdded : EventType::kModified, std::move(object)});
}

WatchEvent WatchIndex::deletion_of(const std::string& key, const Known& known,
                                   std::string version) const {
  const auto slash = key.find('/');
  WatchEvent event{EventType::kDeleted, {}};
  event.object.key = {kind_, key.substr(0, slash), key.substr(slash + 1)};
  event.object.uid = to_string(known.uid);
  event.object.resource_version = std::move(version);
  if (!known.queue.empty()) event.object.labels[op::kQueueLabel] = known.queue;
  return event;
}

WatchIndex::Known WatchIndex::known_of(const Object& object) const {
  const auto label = object.labels.find(op::kQueueLabel);
  const bool has_queue = kind_ == op::ObjectKind::kPod && label != object.labels.end();
  return {uid_of(object), object.resource_version, has_queue ? label->second : "", list_};
}

}  // namespace sluice::kube
