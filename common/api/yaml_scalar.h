// What a YAML scalar means, as kubectl reads it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::api {

// A plain (unquoted) scalar by the rules of YAML 1.1 that sigs.k8s.io/yaml keeps: `yes` is true,
// `010` is 8, `1_000` is 1000, a date is a string. On failure `error` says why: an integer beyond
// 64 bits, a number that is not finite.
nlohmann::json resolve_plain_scalar(std::string_view text, std::string& error);

// A scalar with a tag ("!", "tag:yaml.org,2002:int"…).
nlohmann::json resolve_tagged_scalar(std::string_view tag, std::string_view text,
                                     std::string& error);

}  // namespace sluice::api
