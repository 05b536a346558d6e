// Base64 (RFC 4648, with padding), as Kubernetes writes bytes in JSON and YAML.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::kube {

std::string encode_base64(std::string_view bytes);
// White space is passed over. Absent when the rest is not base64.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace sluice::kube
