// Credentials from a plugin program, by the protocol of client.authentication.k8s.io.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/kube/kube_config.h"

namespace YAML {
class Node;
}

namespace sluice::kube {

struct ExecCredential {
  std::string token = {};
  std::string client_certificate_pem = {};
  std::string client_key_pem = {};
  std::optional<TimePoint> expires_at = {};
};

// Reads `users[].user.exec`; the error's `field` is relative to it. `cluster` and `config` (its
// cluster part already read) are what a plugin with provideClusterInfo is told; `file` anchors a
// relative command.
Result<ExecPlugin> read_exec_plugin(const YAML::Node& exec, const YAML::Node& cluster,
                                    const std::filesystem::path& file, const KubeConfig& config);

// What the program printed, as a credential.
Result<ExecCredential> parse_exec_credential(std::string_view output, std::string_view api_version);

}  // namespace sluice::kube
