// Manifests and specs from YAML and JSON, with every mistake named by file, line and field path.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/api/resources.h"
#include "common/base/result.h"

namespace sluice::api {

// One mistake. `line` is 1-based, 0 when not known (JSON over HTTP).
struct DecodeError {
  std::string file;
  int line = 0;
  std::string field;    // "spec.scaling.minReplicas"; empty for a syntax error
  std::string message;  // "must be a whole number between 0 and 10000, not \"many\""
};

// "queue.yaml:12: spec.scaling.minReplicas: must be …"
std::string to_string(const DecodeError& error);

struct DecodedFile {
  std::vector<Manifest> manifests;   // the good documents
  std::vector<DecodeError> errors;   // every mistake found, not only the first of a document
  std::vector<std::string> skipped;  // "apps/v1 Deployment web (line 3)": documents of other groups
};

// Reads a file of one or more YAML (or JSON) documents, `List` kinds included. Unknown fields,
// duplicate keys, wrong types, missing fields, out-of-range values and broken rules across fields
// are errors. A document with an error gives no manifest. Never throws; aliases are bounded.
DecodedFile decode_manifests(std::string_view text, std::string_view file);

// How unknown members are met.
enum class UnknownMembers { kRefuse, kIgnore };

// The spec alone, as JSON text, field paths starting with `root`. The first error is returned, with
// its field. A queue's may have dueSoonSeconds, which a manifest may not.
Result<QueueSpec> decode_queue_spec(std::string_view json, UnknownMembers unknown,
                                    std::string_view root = "spec");
Result<JobSpec> decode_job_spec(std::string_view json, UnknownMembers unknown,
                                std::string_view root = "spec");
Result<ScheduleSpec> decode_schedule_spec(std::string_view json, UnknownMembers unknown,
                                          std::string_view root = "spec");
Result<RetryPolicy> decode_retry_policy(std::string_view json, UnknownMembers unknown,
                                        std::string_view root);

// JSON text of a spec; only fields that differ from their defaults. decode(encode(x)) == x.
std::string encode(const QueueSpec& spec);
std::string encode(const JobSpec& spec);
std::string encode(const ScheduleSpec& spec);
std::string encode(const RetryPolicy& policy);

// Whether `name` is a DNS label of at most `length_max` characters.
bool is_dns_label(std::string_view name, std::size_t length_max = 63);

// Whether `name` is labels joined by dots, at most `length_max` characters in all.
bool is_dns_subdomain(std::string_view name, std::size_t length_max = 253);

// Whether Kubernetes takes these for the key ("example.com/tier") and the value of a label.
bool is_label_key(std::string_view key);
bool is_label_value(std::string_view value);

inline constexpr std::size_t kQueueNameMax = 52;  // leaves room for a pod's suffix

}  // namespace sluice::api
