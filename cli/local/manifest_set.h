// What the manifests of a folder declare, and what changes when a file does.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/api/decode.h"
#include "operator/controller/object_store.h"

namespace sluice::local {

// Which file an object comes from; kept with the object, so that a restart knows it too.
inline constexpr const char* kManifestAnnotation = "sluice.dev/manifest";

// A file as it was found. Without a text it could not be read, and `problem` says why.
struct ManifestFile {
  std::string path;  // relative to the folder
  std::optional<std::string> text;
  std::string problem;
  friend bool operator==(const ManifestFile&, const ManifestFile&) = default;
};

struct ManifestChanges {
  std::vector<op::Object> apply;  // key, labels, annotations and spec are set
  std::vector<op::ObjectKey> remove;
  std::vector<std::string> errors;   // those not said before, and all of a file that was edited
  std::vector<std::string> skipped;  // documents of other groups, likewise
};

std::string to_string(const op::ObjectKey& key);  // "Queue default/mail"

// The last good version of every file. A file with a mistake keeps what it declared before; an
// object that two files declare stays with the file that had it (otherwise the first by name); the
// spec of a Job that is not suspended is frozen.
//
// Pure; not synchronized.
class ManifestSet {
 public:
  explicit ManifestSet(std::string default_namespace)
      : default_namespace_(std::move(default_namespace)) {}

  // An object that exists already: a file that is broken now keeps it. Before the first update().
  void adopt(const op::Object& object);

  // What has to change, given every file of the folder. The changes are taken as made.
  ManifestChanges update(const std::vector<ManifestFile>& files);

  // Files with a mistake in them, as of the last update().
  std::size_t broken_files() const { return broken_.size(); }

 private:
  struct Declared {
    op::Object object;
    int line = 0;
  };
  struct File {
    std::optional<std::string> text;  // absent: not read yet, or not readable
    std::vector<Declared> declared;
    bool good = false;
    std::vector<std::string> errors;
    std::vector<std::string> skipped;
  };
  using Owners = std::map<op::ObjectKey, std::pair<std::string, const Declared*>>;

  bool take_file(const ManifestFile& file);
  void decode(File& file, const ManifestFile& from);
  Declared declare(const api::Manifest& manifest) const;
  Owners find_owners(std::map<std::string, std::string>& conflicts) const;
  void diff(const Owners& owners, std::map<std::string, std::string>& conflicts,
            ManifestChanges& changes);

  std::string default_namespace_;
  std::map<std::string, File> files_;         // by path
  std::map<op::ObjectKey, op::Object> held_;  // as last applied
  std::set<std::string> reported_;            // conflicts that stand and were said
  std::set<std::string> broken_;              // paths
};

}  // namespace sluice::local
