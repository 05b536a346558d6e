// What a watch has told already, so that a list can be told as the difference.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include "common/base/ids.h"
#include "operator/controller/object_store.h"

namespace sluice::kube {

// Remembers of each object only who and which version it is; the objects are the listener's. Never
// tells an older version of an object after a newer one (SURVIVAL 3).
//
// Threads: not synchronized.
class WatchIndex {
 public:
  using Tell = std::function<void(const op::WatchEvent& event)>;

  explicit WatchIndex(op::ObjectKind kind) : kind_(kind) {}

  // A list is begin_list(), listed() for each object, end_list(); one that broke off is begun
  // again. `is_rewound`: the server's history starts over (its store was restored from a copy),
  // older versions are the truth now.
  void begin_list(bool is_rewound = false);
  void listed(op::Object object, const Tell& tell);
  // Tells the deletion of what was known and not listed, as of the list's version.
  void end_list(const std::string& list_version, const Tell& tell);

  // An event of the watch. One that was told before, as after a reconnect, is swallowed.
  void changed(op::WatchEvent event, const Tell& tell);

  std::size_t size() const { return known_.size(); }

 private:
  struct Known {
    Uuid uid;
    std::string version;
    std::string queue;       // of a pod: its label, by which its deletion is heard
    std::uint32_t list = 0;  // the last one it was in
  };

  void add(op::Object object, const Tell& tell);
  void replace(Known& known, op::Object object, const Tell& tell);
  op::WatchEvent deletion_of(const std::string& key, const Known& known, std::string version) const;
  Known known_of(const op::Object& object) const;

  const op::ObjectKind kind_;
  std::unordered_map<std::string, Known> known_;  // by "namespace/name"
  std::uint32_t list_ = 0;
  bool is_rewound_ = false;
};

}  // namespace sluice::kube
