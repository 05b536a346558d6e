#include "operator/controller/replicas_field.h"

#include <nlohmann/json.hpp>

#include "operator/controller/json_read.h"

namespace sluice::op {

using nlohmann::json;

std::optional<int> replicas_of(std::string_view spec_json) {
  const json spec = parse_json(spec_json);
  const json& replicas = member(spec, "replicas");
  if (!replicas.is_number_integer()) return std::nullopt;
  return replicas.get<int>();
}

std::string with_replicas(std::string_view spec_json, int replicas) {
  json spec = parse_json(spec_json);
  if (!spec.is_object()) return std::string(spec_json);
  spec["replicas"] = replicas;
  return dump_json(spec);
}

std::string without_replicas(std::string_view spec_json) {
  json spec = parse_json(spec_json);
  if (!spec.is_object()) return std::string(spec_json);
  spec.erase("replicas");
  return dump_json(spec);
}

}  // namespace sluice::op
