#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/api/decode_spec.h"
#include "common/api/limits.h"

namespace sluice::api {
namespace {

using nlohmann::json;

constexpr std::string_view kGroup = "sluice.dev";

// The text of a string member for a message; empty when it is none.
std::string text_of(const json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::string describe_skipped(const json& object, int line) {
  std::string text = text_of(object, "apiVersion");
  if (const std::string kind = text_of(object, "kind"); !kind.empty()) text += " " + kind;
  if (const auto metadata = object.find("metadata");
      metadata != object.end() && metadata->is_object()) {
    if (const std::string name = text_of(*metadata, "name"); !name.empty()) text += " " + name;
  }
  return text + " (line " + std::to_string(line) + ")";
}

void read_strings(FieldReader& reader, std::string_view name, Labels& out) {
  reader.each_member(name, {0, kManifestNodesMax}, kObjectNameMax + 1 + kNamespaceMax,
                     [&](const std::string& key, const json& value, const std::string& path) {
                       if (auto text = reader.text_at(value, path, {0, kAnnotationBytesMax})) {
                         out[key] = std::move(*text);
                       }
                       if (!is_label_key(key)) {
                         reader.error_at(path,
                                         "must be named by letters, digits, -, _ and ., with "
                                         "an optional prefix/");
                       }
                     });
}

void read_labels(FieldReader& reader, Labels& labels) {
  read_strings(reader, "labels", labels);
  for (const auto& [key, value] : labels) {
    if (is_label_value(value)) continue;
    reader.error_at(child_path(child_path(reader.path(), "labels"), key),
                    "must have at most 63 letters, digits, -, _ and ., and begin and end with a "
                    "letter or digit");
  }
}

// Kubernetes' own members, which it knows better.
void pass_over_system_members(FieldReader& reader) {
  for (const char* const name :
       {"generateName", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
        "deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers",
        "managedFields"}) {
    reader.member(name);
  }
}

ObjectMeta read_metadata(FieldReader& reader, Kind kind) {
  ObjectMeta metadata;
  reader.require("name");
  reader.text("name", {1, kManifestNodesMax}, metadata.name);
  const std::string& name = metadata.name;
  if (kind == Kind::kJob) {
    if (!name.empty() && !is_dns_subdomain(name)) {
      reader.error("name", "must be a DNS subdomain of at most " + std::to_string(kObjectNameMax) +
                               " characters (lower-case letters, digits, - and .)");
    }
  } else if (!name.empty() && !is_dns_label(name, kQueueNameMax)) {
    reader.error("name", "must be a DNS label of at most " + std::to_string(kQueueNameMax) +
                             " characters (lower-case letters, digits and -)");
  }
  reader.text("namespace", {0, kManifestNodesMax}, metadata.namespace_name);
  if (!metadata.namespace_name.empty() && !is_dns_label(metadata.namespace_name)) {
    reader.error("namespace", "must be a DNS label (lower-case letters, digits and -)");
  }
  read_labels(reader, metadata.labels);
  read_strings(reader, "annotations", metadata.annotations);
  pass_over_system_members(reader);
  reader.finish();
  return metadata;
}

// The operator's: ignored in a manifest, but for members that there are not.
void pass_over_status(FieldReader& reader, const json& status, Kind kind) {
  static constexpr std::initializer_list<const char*> kMembers[] = {
      {"conditions", "observedGeneration", "backlog", "ready", "scheduled", "running", "dead",
       "oldestReadyTime", "replicas", "readyReplicas", "desiredReplicas", "selector"},
      {"conditions", "state", "jobId", "attempts", "leaseLosses", "startTime", "completionTime",
       "result", "resultTruncated", "lastError", "worker"},
      {"conditions", "lastScheduleTime", "nextScheduleTime", "recent", "running", "lastTrigger"}};
  if (!status.is_object()) return;
  FieldReader members = reader.reader_at(status, child_path(reader.path(), "status"));
  for (const char* const name : kMembers[static_cast<std::size_t>(kind)]) members.member(name);
  members.finish();
}

// Reads the objects of one document.
class DocumentReader {
 public:
  DocumentReader(Document& document, std::string_view file, DecodedFile& out)
      : document_(document), file_(file), out_(out) {}

  void read() { read_object(*document_.tree, ""); }

 private:
  void read_object(const json& object, const std::string& path) {
    FieldReader reader(object, path, document_, UnknownMembers::kRefuse);
    if (!object.is_object()) return;
    if (!object.contains("apiVersion") && !object.contains("kind")) {
      // package.json and its like: in the folder for other reasons.
      out_.skipped.push_back("a document without apiVersion and kind (line " +
                             std::to_string(document_.line_of(path)) + ")");
      return;
    }
    std::string api_version;
    std::string kind;
    reader.require("apiVersion");
    reader.text("apiVersion", {1, kObjectNameMax}, api_version);
    reader.text("kind", {1, kObjectNameMax}, kind);
    if (api_version == "v1" && kind == "List") {
      read_list(reader);
      return;
    }
    if (api_version.empty()) {
      reader.require("kind");
      return;
    }
    if (api_version.substr(0, api_version.find('/')) != kGroup) {
      out_.skipped.push_back(describe_skipped(object, document_.line_of(path)));
      return;
    }
    if (api_version != kGroupVersion) {
      reader.error("apiVersion", "must be " + std::string(kGroupVersion) + ", not " +
                                     show(*object.find("apiVersion")));
      return;
    }
    read_ours(reader, object, kind);
  }

  // Items are objects of any group; the list's own metadata says nothing to us.
  void read_list(FieldReader& reader) {
    reader.each("items", {0, kManifestNodesMax},
                [&](const json& item, const std::string& path) { read_object(item, path); });
  }

  void read_ours(FieldReader& reader, const json& object, const std::string& kind_name) {
    const std::size_t mistakes_before = document_.mistakes;
    reader.require("kind");
    if (!reader.has("kind")) return;
    Manifest manifest;
    reader.choice("kind", {Kind::kQueue, Kind::kJob, Kind::kSchedule}, manifest.kind);
    if (kind_name != to_string(manifest.kind)) return;

    reader.require("metadata");
    if (auto metadata = reader.object("metadata")) {
      manifest.metadata = read_metadata(*metadata, manifest.kind);
    }
    reader.require("spec");
    if (auto spec = reader.object("spec")) manifest.spec = read_spec(*spec, manifest.kind);
    if (const json* const status = reader.member("status")) {
      pass_over_status(reader, *status, manifest.kind);
    }
    reader.finish();

    if (document_.mistakes != mistakes_before) return;
    manifest.spec_json = object.at("spec").dump();
    manifest.file = file_;
    manifest.line = document_.line_of(reader.path());
    out_.manifests.push_back(std::move(manifest));
  }

  static std::variant<QueueSpec, JobSpec, ScheduleSpec> read_spec(FieldReader& reader, Kind kind) {
    switch (kind) {
      case Kind::kQueue:
        return read_queue_spec(reader, Sender::kPeople);
      case Kind::kJob:
        return read_job_spec(reader);
      case Kind::kSchedule:
        return read_schedule_spec(reader);
    }
    return QueueSpec{};
  }

  Document& document_;
  std::string_view file_;
  DecodedFile& out_;
};

std::vector<Document> parse_documents(std::string_view text) {
  // yaml-cpp reads most JSON, but not surrogate pairs.
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') {
    std::vector<Document> documents;
    documents.push_back(parse_json(text, ""));
    const bool out_of_range =
        !documents[0].errors.empty() && !documents[0].errors.back().field.empty();
    if (documents[0].syntax_ok || out_of_range) return documents;
  }
  return parse_yaml(text);
}

void read_document(Document& document, std::string_view file, DecodedFile& out) {
  const std::size_t manifests_before = out.manifests.size();
  // An error of the tree itself, such as a key that is there twice, spoils the whole document.
  const bool tree_ok = document.errors.empty();
  if (document.syntax_ok && !document.tree->is_null()) {
    DocumentReader(document, file, out).read();
  }
  if (!tree_ok) out.manifests.resize(manifests_before);
  std::stable_sort(document.errors.begin(), document.errors.end(),
                   [](const DecodeError& a, const DecodeError& b) { return a.line < b.line; });
  for (DecodeError& error : document.errors) {
    error.file = file;
    out.errors.push_back(std::move(error));
  }
}

// What the errors of a spec that came alone amount to.
template <typename Spec>
Result<Spec> first_error_or(Spec spec, const Document& document) {
  if (document.errors.empty()) return spec;
  const DecodeError& first = document.errors.front();
  return Error{.code = ErrorCode::kInvalidArgument,
               .message = to_string(DecodeError{.field = first.field, .message = first.message}),
               .field = first.field};
}

template <typename Read>
auto decode_json(std::string_view text, UnknownMembers unknown, std::string_view root, Read read)
    -> Result<decltype(read(std::declval<FieldReader&>()))> {
  using Spec = decltype(read(std::declval<FieldReader&>()));
  Document document = parse_json(text, root);
  if (!document.errors.empty()) return first_error_or(Spec{}, document);
  FieldReader reader(*document.tree, std::string(root), document, unknown);
  if (!document.errors.empty()) return first_error_or(Spec{}, document);
  Spec spec = read(reader);
  return first_error_or(std::move(spec), document);
}

}  // namespace

std::string to_string(const DecodeError& error) {
  std::string text = error.file;
  if (error.line > 0) text += (text.empty() ? "line " : ":") + std::to_string(error.line);
  if (!text.empty()) text += ": ";
  if (!error.field.empty()) text += error.field + ": ";
  return text + error.message;
}

DecodedFile decode_manifests(std::string_view text, std::string_view file) {
  DecodedFile out;
  const auto refuse = [&](std::string message) {
    out.errors.push_back({.file = std::string(file), .message = std::move(message)});
    return out;
  };
  if (text.size() > kManifestFileBytesMax) {
    return refuse("is larger than " + std::to_string(kManifestFileBytesMax) + " bytes");
  }
  if (!is_utf8(text)) return refuse("is not UTF-8 text");

  for (Document& document : parse_documents(text)) read_document(document, file, out);
  return out;
}

Result<QueueSpec> decode_queue_spec(std::string_view json, UnknownMembers unknown,
                                    std::string_view root) {
  return decode_json(json, unknown, root, [](FieldReader& reader) {
    return read_queue_spec(reader, Sender::kOperator);
  });
}

Result<JobSpec> decode_job_spec(std::string_view json, UnknownMembers unknown,
                                std::string_view root) {
  return decode_json(json, unknown, root,
                     [](FieldReader& reader) { return read_job_spec(reader); });
}

Result<ScheduleSpec> decode_schedule_spec(std::string_view json, UnknownMembers unknown,
                                          std::string_view root) {
  return decode_json(json, unknown, root,
                     [](FieldReader& reader) { return read_schedule_spec(reader); });
}

Result<RetryPolicy> decode_retry_policy(std::string_view json, UnknownMembers unknown,
                                        std::string_view root) {
  return decode_json(json, unknown, root,
                     [](FieldReader& reader) { return read_retry_policy(reader); });
}

}  // namespace sluice::api
