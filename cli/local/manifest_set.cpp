#include "cli/local/manifest_set.h"
#include "operator/controller/json_read.h"
#include "operator/controller/replicas_field.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace sluice::local {
namespace {

op::ObjectKind to_object_kind(api::Kind kind) {
  switch (kind) {
    case api::Kind::kQueue:
      return op::ObjectKind::kQueue;
    case api::Kind::kJob:
      return op::ObjectKind::kJob;
    case api::Kind::kSchedule:
      break;
  }
  return op::ObjectKind::kSchedule;
}

std::string_view kind_name(op::ObjectKind kind) {
  switch (kind) {
    case op::ObjectKind::kQueue:
      return "Queue";
    case op::ObjectKind::kJob:
      return "Job";
    case op::ObjectKind::kSchedule:
      return "Schedule";
    case op::ObjectKind::kPod:
      break;
  }
  return "Pod";
}

bool same_declaration(const op::Object& a, const op::Object& b) {
  return op::is_same_json(a.spec_json, b.spec_json) && a.labels == b.labels &&
         a.annotations == b.annotations;
}

// RESOURCES: (has(oldSelf.suspend) && oldSelf.suspend) || self == oldSelf.
bool breaks_freeze(const op::Object& before, const op::Object& after) {
  if (before.key.kind != op::ObjectKind::kJob || before.spec_json == after.spec_json) return false;
  const auto old_spec = api::decode_job_spec(before.spec_json, api::UnknownMembers::kIgnore);
  const auto new_spec = api::decode_job_spec(after.spec_json, api::UnknownMembers::kIgnore);
  return old_spec && new_spec && !old_spec->suspend && !(*old_spec == *new_spec);
}

std::string manifest_of(const op::Object& object) {
  const auto found = object.annotations.find(kManifestAnnotation);
  return found == object.annotations.end() ? std::string() : found->second;
}

std::string mistake(const std::string& file, int line, const std::string& field,
                    const std::string& message) {
  return api::to_string(api::DecodeError{file, line, field, message});
}

}  // namespace

std::string to_string(const op::ObjectKey& key) {
  return std::string(kind_name(key.kind)) + " " + key.namespace_name + "/" + key.name;
}

void ManifestSet::adopt(const op::Object& object) {
  op::Object declared = object;
  // The size is the operator's, no manifest's.
  if (object.replicas_manager == op::kFieldManager) {
    declared.spec_json = op::without_replicas(object.spec_json);
  }
  held_[object.key] = declared;
  // Without its file the object is nobody's, and goes with the first update.
  const std::string file = manifest_of(object);
  if (!file.empty()) files_[file].declared.push_back({std::move(declared), 0});
}

ManifestChanges ManifestSet::update(const std::vector<ManifestFile>& files) {
  ManifestChanges changes;
  std::set<std::string> present;
  for (const ManifestFile& file : files) {
    present.insert(file.path);
    if (!take_file(file)) continue;
    const File& taken = files_[file.path];
    changes.errors.insert(changes.errors.end(), taken.errors.begin(), taken.errors.end());
    changes.skipped.insert(changes.skipped.end(), taken.skipped.begin(), taken.skipped.end());
  }
  std::erase_if(files_, [&](const auto& entry) { return !present.contains(entry.first); });

  std::map<std::string, std::string> conflicts;  // message → file
  const Owners owners = find_owners(conflicts);
  diff(owners, conflicts, changes);

  broken_.clear();
  for (const auto& [path, file] : files_) {
    if (!file.good) broken_.insert(path);
  }
  std::set<std::string> standing;
  for (const auto& [message, file] : conflicts) {
    broken_.insert(file);
    standing.insert(message);
    if (!reported_.contains(message)) changes.errors.push_back(message);
  }
  reported_ = std::move(standing);
  return changes;
}

// Whether the file differs from what was known.
bool ManifestSet::take_file(const ManifestFile& from) {
  File& file = files_[from.path];
  if (!from.text) {
    const std::vector<std::string> problem = {mistake(from.path, 0, "", from.problem)};
    if (file.errors == problem) return false;
    file.text.reset();
    file.good = false;
    file.errors = problem;
    file.skipped.clear();
    return true;
  }
  if (file.text == from.text) return false;
  file.text = from.text;
  decode(file, from);
  return true;
}

void ManifestSet::decode(File& file, const ManifestFile& from) {
  const api::DecodedFile decoded = api::decode_manifests(*from.text, from.path);
  file.errors.clear();
  for (const api::DecodeError& error : decoded.errors) file.errors.push_back(to_string(error));
  file.skipped.clear();
  for (const std::string& document : decoded.skipped) {
    file.skipped.push_back(from.path + ": skipped " + document);
  }

  std::vector<Declared> declared;
  for (const api::Manifest& manifest : decoded.manifests) {
    Declared one = declare(manifest);
    one.object.annotations[kManifestAnnotation] = from.path;
    const auto twin = std::find_if(declared.begin(), declared.end(), [&](const Declared& other) {
      return other.object.key == one.object.key;
    });
    if (twin != declared.end()) {
      file.errors.push_back(mistake(from.path, one.line, "metadata.name",
                                    to_string(one.object.key) + " is declared in line " +
                                        std::to_string(twin->line) + " too"));
    }
    declared.push_back(std::move(one));
  }
  file.good = file.errors.empty();
  if (file.good) file.declared = std::move(declared);
}

ManifestSet::Declared ManifestSet::declare(const api::Manifest& manifest) const {
  Declared declared;
  declared.line = manifest.line;
  const std::string& named = manifest.metadata.namespace_name;
  declared.object.key = {to_object_kind(manifest.kind), named.empty() ? default_namespace_ : named,
                         manifest.metadata.name};
  declared.object.labels = manifest.metadata.labels;
  declared.object.annotations = manifest.metadata.annotations;
  declared.object.spec_json = manifest.spec_json;
  return declared;
}

ManifestSet::Owners ManifestSet::find_owners(std::map<std::string, std::string>& conflicts) const {
  Owners owners;
  for (const auto& [path, file] : files_) {
    if (!file.good) continue;
    for (const Declared& one : file.declared) {
      const op::ObjectKey& key = one.object.key;
      const auto [owner, fresh] = owners.try_emplace(key, path, &one);
      if (fresh) continue;
      const auto held = held_.find(key);
      std::pair<std::string, const Declared*> loser(path, &one);
      if (held != held_.end() && manifest_of(held->second) == path) std::swap(owner->second, loser);
      conflicts.emplace(mistake(loser.first, loser.second->line, "metadata.name",
                                to_string(key) + " is declared in " + owner->second.first + ":" +
                                    std::to_string(owner->second.second->line) + " too"),
                        loser.first);
    }
  }
  // What a broken file declared last stays, unless another file took it over meanwhile.
  for (const auto& [path, file] : files_) {
    if (file.good) continue;
    for (const Declared& one : file.declared) owners.try_emplace(one.object.key, path, &one);
  }
  return owners;
}

void ManifestSet::diff(const Owners& owners, std::map<std::string, std::string>& conflicts,
                       ManifestChanges& changes) {
  for (const auto& [key, object] : held_) {
    if (!owners.contains(key)) changes.remove.push_back(key);
  }
  for (const op::ObjectKey& key : changes.remove) held_.erase(key);

  for (const auto& [key, owner] : owners) {
    const auto& [path, declared] = owner;
    const auto held = held_.find(key);
    if (held != held_.end() && same_declaration(held->second, declared->object)) continue;
    if (held != held_.end() && breaks_freeze(held->second, declared->object)) {
      conflicts.emplace(mistake(path, declared->line, "spec",
                                "is frozen once the job is enqueued; give the Job another name to "
                                "run it again"),
                        path);
      continue;
    }
    held_[key] = declared->object;
    changes.apply.push_back(declared->object);
  }
}

}  // namespace sluice::local
