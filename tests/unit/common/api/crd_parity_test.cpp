// The schemas of crds/ against the decoder: the same fields, types, bounds, enums and defaults.
// That a real API server says the same of whole manifests is tests/integration/kube.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "common/api/decode_spec.h"
#include "common/api/document.h"

namespace sluice::api {
namespace {

using nlohmann::json;

std::string read_file(const std::string& path) {
  const char* const root = std::getenv("SLUICE_SOURCE_DIR");
  std::ostringstream text;
  text << std::ifstream(std::string(root == nullptr ? "." : root) + "/" + path).rdbuf();
  return text.str();
}

json schema_of(const char* plural) {
  const auto documents = parse_yaml(read_file(std::string("crds/") + plural + ".yaml"));
  if (documents.size() != 1 || !documents[0].errors.empty()) return {};
  return documents[0].tree->at("spec").at("versions").at(0).at("schema").at("openAPIV3Schema");
}

// A whole manifest of each kind: every object that may be there is there.
struct Kind {
  const char* name;
  const char* plural;
  const char* manifest;
  void (*read)(FieldReader& reader);
};

const Kind kKinds[] = {
    {"Queue", "queues", "queue_full", [](FieldReader& r) { read_queue_spec(r, Sender::kPeople); }},
    {"Queue", "queues", "queue_http", [](FieldReader& r) { read_queue_spec(r, Sender::kPeople); }},
    {"Job", "jobs", "job_full", [](FieldReader& r) { read_job_spec(r); }},
    {"Schedule", "schedules", "schedule_full", [](FieldReader& r) { read_schedule_spec(r); }},
};

json spec_of(const Kind& kind) {
  const std::string path = "tests/unit/common/api/manifests/good/";
  const auto documents = parse_yaml(read_file(path + kind.manifest + ".yaml"));
  return documents.size() == 1 ? documents[0].tree->at("spec") : json();
}

std::vector<DecodeError> errors_of(const Kind& kind, const json& spec) {
  Document document;
  FieldReader reader(spec, "spec", document, UnknownMembers::kRefuse);
  kind.read(reader);
  return document.errors;
}

// "spec.retry.rules[0].action" as the schema has it: "spec.retry.rules[].action".
std::string without_indices(const std::string& path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    if (c == ']') inside = false;
    if (!inside) out += c;
    if (c == '[') inside = true;
  }
  return out;
}

json properties_of(const json& schema) {
  return schema.value("properties", json::object());
}

void add_fields(const json& schema, const std::string& path, std::map<std::string, json>& fields) {
  const json properties = properties_of(schema);
  for (const auto& [name, field] : properties.items()) {
    fields[child_path(path, name)] = field;
    add_fields(field, child_path(path, name), fields);
  }
  if (schema.contains("items")) add_fields(schema.at("items"), path + "[]", fields);
}

std::map<std::string, json> fields_of(const Kind& kind) {
  std::map<std::string, json> fields;
  add_fields(schema_of(kind.plural).at("properties").at("spec"), "spec", fields);
  return fields;
}

// What a manifest's text says at a path such as "/retry/maxAttempts"; lists are entered at their
// first item.
json::json_pointer pointer_to(const std::string& path) {
  std::string pointer;
  for (const char c : path.substr(std::string("spec").size())) {
    if (c == '.') pointer += '/';
    if (c == '[') pointer += "/0";
    if (c != '.' && c != '[' && c != ']') pointer += c;
  }
  return json::json_pointer(pointer);
}

std::string joined(const json& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i].get<std::string>();
  }
  return text;
}

std::string range(std::int64_t min, std::int64_t max, const char* what) {
  std::string text = std::to_string(min);
  if (max != min) text += " to " + std::to_string(max);
  return text + what;
}

// A value that the field cannot have, and how the decoder must begin to say so.
struct Refusal {
  json value;
  std::string message;
};

Refusal refusal_by(const json& field) {
  const std::string type = field.value("type", "");
  if (field.contains("enum")) return {"?", "must be " + joined(field.at("enum")) + ", not"};
  if (type == "integer") {
    return {"?", "must be a whole number between " + field.at("minimum").dump() + " and " +
                     field.at("maximum").dump() + ", not"};
  }
  if (type == "boolean") return {"?", "must be true or false, not"};
  if (type == "object" && field.contains("additionalProperties")) {
    json many = json::object();
    const std::size_t max = field.at("maxProperties");
    for (std::size_t i = 0; i <= max; ++i) many["m" + std::to_string(i)] = 1;
    return {many, "must have " + range(0, static_cast<std::int64_t>(max), " members, not")};
  }
  if (type == "object") return {"?", "must be a mapping, not"};
  if (type == "array") {
    const std::size_t max = field.at("maxItems");
    return {json(json::array_t(max + 1)),
            "must have " +
                range(field.value("minItems", 0), static_cast<std::int64_t>(max), " items, not")};
  }
  if (field.value("format", "") == "date-time") return {"?", "must be a time such as"};
  if (field.value("x-kubernetes-int-or-string", false)) {
    return {"?", field.at("x-kubernetes-validations").at(0).at("message")};
  }
  const std::size_t max = field.at("maxLength");
  return {std::string(max + 1, 'a'),
          "must have " + range(field.value("minLength", 0), static_cast<std::int64_t>(max),
                               " characters, not")};
}

bool may_be_anything(const json& field) {
  return !field.contains("type") && field.value("x-kubernetes-preserve-unknown-fields", false);
}

// Every path of the decoder is one of the schema, and the other way round.
TEST(CrdParity, SchemaAndDecoderHaveTheSameFields) {
  std::map<std::string, std::set<std::string>> known;
  std::map<std::string, std::set<std::string>> declared;
  for (const Kind& kind : kKinds) {
    std::set<std::string> asked_for;
    Document document;
    document.fields_asked_for = &asked_for;
    const json spec = spec_of(kind);
    FieldReader reader(spec, "spec", document, UnknownMembers::kRefuse);

    kind.read(reader);

    for (const std::string& path : asked_for) known[kind.name].insert(without_indices(path));
    for (const auto& [path, field] : fields_of(kind)) declared[kind.name].insert(path);
  }
  // What a schedule's template refuses by name.
  EXPECT_EQ(known["Schedule"].erase("spec.jobTemplate.spec.dependsOn"), 1u);
  EXPECT_EQ(known, declared);
  EXPECT_GT(known["Queue"].size(), 70u);
}

TEST(CrdParity, TypesBoundsAndEnumsAreTheSame) {
  for (const Kind& kind : kKinds) {
    const json full = spec_of(kind);
    for (const auto& [path, field] : fields_of(kind)) {
      SCOPED_TRACE(std::string(kind.manifest) + " " + path);
      if (may_be_anything(field)) continue;
      const json::json_pointer pointer = pointer_to(path);
      // Of exec and http each manifest has one.
      if (!full.contains(pointer.parent_pointer())) continue;
      const Refusal refusal = refusal_by(field);
      json spec = full;
      spec[pointer] = refusal.value;

      const auto errors = errors_of(kind, spec);

      const auto is_it = [&](const DecodeError& error) {
        return without_indices(error.field) == path && error.message.starts_with(refusal.message);
      };
      EXPECT_TRUE(std::any_of(errors.begin(), errors.end(), is_it))
          << "wanted: " << refusal.message
          << "\ngot: " << (errors.empty() ? "no error" : to_string(errors[0]));
    }
  }
}

// Items of lists and values of maps have no name of their own.
TEST(CrdParity, ItemsHaveTheSameBounds) {
  for (const Kind& kind : kKinds) {
    const json full = spec_of(kind);
    for (const auto& [path, field] : fields_of(kind)) {
      SCOPED_TRACE(std::string(kind.manifest) + " " + path);
      const bool is_list = field.contains("items");
      const json item = field.value(is_list ? "items" : "additionalProperties", json());
      const json::json_pointer pointer = pointer_to(path);
      if (item.is_null() || !full.contains(pointer.parent_pointer())) continue;
      const Refusal refusal = refusal_by(item);
      json spec = full;
      spec[pointer] = is_list ? json::array({refusal.value}) : json{{"one", refusal.value}};

      const auto errors = errors_of(kind, spec);

      ASSERT_FALSE(errors.empty());
      EXPECT_TRUE(errors[0].message.starts_with(refusal.message))
          << "wanted: " << refusal.message << "\ngot: " << to_string(errors[0]);
    }
  }
}

TEST(CrdParity, RequiredFieldsAreTheSame) {
  for (const Kind& kind : kKinds) {
    const json full = spec_of(kind);
    std::map<std::string, json> objects = fields_of(kind);
    objects["spec"] = schema_of(kind.plural).at("properties").at("spec");
    for (const auto& [path, object] : objects) {
      const json properties = properties_of(object);
      for (const auto& [name, field] : properties.items()) {
        SCOPED_TRACE(child_path(path, name));
        const json::json_pointer pointer = pointer_to(child_path(path, name));
        if (!full.contains(pointer)) continue;
        const auto required = object.value("required", std::vector<std::string>());
        const bool is_required = std::count(required.begin(), required.end(), name) == 1;
        json spec = full;
        spec.at(pointer.parent_pointer()).erase(name);

        const auto errors = errors_of(kind, spec);

        const auto is_it = [&](const DecodeError& error) {
          return error.field.ends_with(name) && error.message == "is required";
        };
        // Required with a worker only, which is a rule of its own.
        if (path == "spec" && name == "scaling") continue;
        EXPECT_EQ(std::any_of(errors.begin(), errors.end(), is_it), is_required);
      }
    }
  }
}

// Writing the schema's default down changes nothing.
TEST(CrdParity, DefaultsAreTheSame) {
  int defaults = 0;
  for (const Kind& kind : kKinds) {
    const json full = spec_of(kind);
    for (const auto& [path, field] : fields_of(kind)) {
      SCOPED_TRACE(path);
      const json::json_pointer pointer = pointer_to(path);
      if (!field.contains("default") || !full.contains(pointer.parent_pointer())) continue;
      json without = full;
      if (without.contains(pointer)) {
        without.at(pointer.parent_pointer()).erase(pointer.back());
      }
      json with = without;
      with[pointer] = field.at("default");
      ++defaults;

      const auto encoded = [&](const json& spec) -> std::string {
        if (std::string_view(kind.name) == "Queue") {
          const auto decoded = decode_queue_spec(spec.dump(), UnknownMembers::kRefuse);
          return decoded ? encode(*decoded) : decoded.error().message;
        }
        if (std::string_view(kind.name) == "Job") {
          const auto decoded = decode_job_spec(spec.dump(), UnknownMembers::kRefuse);
          return decoded ? encode(*decoded) : decoded.error().message;
        }
        const auto decoded = decode_schedule_spec(spec.dump(), UnknownMembers::kRefuse);
        return decoded ? encode(*decoded) : decoded.error().message;
      };
      EXPECT_EQ(encoded(with), encoded(without));
    }
  }
  EXPECT_GT(defaults, 40);
}

// A default on an object would switch on what is off by being absent.
TEST(CrdParity, OnlyPlainValuesHaveDefaults) {
  for (const Kind& kind : kKinds) {
    for (const auto& [path, field] : fields_of(kind)) {
      SCOPED_TRACE(path);
      EXPECT_FALSE(field.contains("default") && field.at("default").is_structured());
    }
  }
}

// A field without a default in the schema has none in the decoder: an integer or an enum that is
// absent is absent in what is encoded, also after it was given any value that may be the default.
TEST(CrdParity, WhatTheDecoderDefaultsTheSchemaDefaults) {
  std::set<std::string> without_default;
  for (const Kind& kind : kKinds) {
    const auto fields = fields_of(kind);
    for (const auto& [path, field] : fields) {
      const std::string type = field.value("type", "");
      if ((type == "integer" || type == "boolean" || field.contains("enum")) &&
          !field.contains("default")) {
        without_default.insert(path);
      }
    }
  }
  // Optional members of the structs of resources.h, required fields, and burst (as limit).
  EXPECT_EQ(without_default, (std::set<std::string>{"spec.backpressure.reject.backlog",
                                                    "spec.backpressure.reject.bytes",
                                                    "spec.backpressure.reject.oldestSeconds",
                                                    "spec.backpressure.throttle.backlog",
                                                    "spec.backpressure.throttle.bytes",
                                                    "spec.backpressure.throttle.oldestSeconds",
                                                    "spec.concurrencyLimit.max",
                                                    "spec.concurrencyLimit.perKey",
                                                    "spec.delaySeconds",
                                                    "spec.jobTemplate.spec.delaySeconds",
                                                    "spec.jobTemplate.spec.retry.rules[].action",
                                                    "spec.jobTemplate.spec.timeoutSeconds",
                                                    "spec.jobTemplate.spec.ttlSecondsAfterFinished",
                                                    "spec.rateLimit.burst",
                                                    "spec.rateLimit.limit",
                                                    "spec.replicas",
                                                    "spec.retry.rules[].action",
                                                    "spec.scaling.backlogPerWorker",
                                                    "spec.scaling.drainSeconds",
                                                    "spec.timeoutSeconds",
                                                    "spec.ttlSecondsAfterFinished",
                                                    "spec.worker.handler.http.port"}));
}

void expect_described_and_bounded(const json& schema, const std::string& path) {
  SCOPED_TRACE(path);
  const std::string type = schema.value("type", "");
  if (type == "array") {
    EXPECT_TRUE(schema.contains("maxItems") && schema.contains("x-kubernetes-list-type"));
  }
  if (schema.contains("additionalProperties")) {
    EXPECT_TRUE(schema.contains("maxProperties"));
  }
  if (type == "string") {
    EXPECT_TRUE(schema.contains("maxLength") || schema.contains("enum"));
  }
  // kubectl explain does not show defaults by itself.
  if (schema.contains("default")) {
    const json& value = schema.at("default");
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    EXPECT_TRUE(schema.value("description", "").ends_with(" Default: " + text + "."));
  }
  const json properties = properties_of(schema);
  for (const auto& [name, field] : properties.items()) {
    EXPECT_GT(field.value("description", "").size(), 8u) << name;
    expect_described_and_bounded(field, child_path(path, name));
  }
  for (const char* const inner : {"items", "additionalProperties"}) {
    if (schema.contains(inner)) expect_described_and_bounded(schema.at(inner), path + "[]");
  }
}

TEST(CrdParity, EveryFieldIsDescribedAndBounded) {
  for (const char* const plural : {"queues", "jobs", "schedules"}) {
    for (const char* const part : {"spec", "status"}) {
      expect_described_and_bounded(schema_of(plural).at("properties").at(part),
                                   std::string(plural) + " " + part);
    }
  }
}

// A Job's spec stands in two files.
TEST(CrdParity, ScheduleTemplateIsAJobSpecWithoutDependencies) {
  json job = schema_of("jobs").at("properties").at("spec");
  json in_schedule = schema_of("schedules")["/properties/spec/properties/jobTemplate"_json_pointer]
                         .at("properties")
                         .at("spec");
  job.at("properties").erase("dependsOn");
  job.at("x-kubernetes-validations").erase(0);  // that it is frozen
  for (json* const spec : {&job, &in_schedule}) spec->erase("description");

  EXPECT_EQ(job, in_schedule);
}

// So does the retry policy.
TEST(CrdParity, RetryIsTheSameForQueueAndJob) {
  const auto retry_of = [](const char* plural) {
    return schema_of(plural)["/properties/spec/properties/retry/properties"_json_pointer];
  };

  EXPECT_EQ(retry_of("queues"), retry_of("jobs"));
}

// The printer columns that everybody sees leave room for a name of 20 characters within 100.
TEST(CrdParity, ColumnsFitAHundredCharacters) {
  const std::map<std::string, std::size_t> widest = {
      {"Ready", 7}, {"State", 9}, {"Accepted", 13}, {"Queue", 12}, {"Schedule", 12}, {"Next", 20}};
  for (const char* const plural : {"queues", "jobs", "schedules"}) {
    SCOPED_TRACE(plural);
    const auto documents = parse_yaml(read_file(std::string("crds/") + plural + ".yaml"));
    ASSERT_EQ(documents.size(), 1u);
    std::size_t width = 20 + 3;
    for (const json& column :
         documents[0].tree->at("spec").at("versions")[0].at("additionalPrinterColumns")) {
      if (column.value("priority", 0) > 0) continue;
      const std::string name = column.at("name");
      const auto found = widest.find(name);
      width += 3 + std::max(name.size(), found == widest.end() ? std::size_t{5} : found->second);
    }
    EXPECT_LE(width, 100u);
  }
}

}  // namespace
}  // namespace sluice::api
