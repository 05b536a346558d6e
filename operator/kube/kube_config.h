// Where the API server is and who we are to it: from a pod's service account or a kubeconfig file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace sluice::kube {

// PEM text given inline, or the file it stands in, which may be replaced while we run. Inline wins.
struct PemSource {
  std::string text = {};
  std::filesystem::path file = {};

  bool is_given() const { return !text.empty() || !file.empty(); }
  // The text as it is now; empty when nothing is given.
  Result<std::string> read() const;
};

// A program that hands out credentials (client.authentication.k8s.io).
struct ExecPlugin {
  std::string api_version;
  std::string command;  // a path, or a name to look for in PATH
  std::vector<std::string> args = {};
  std::vector<std::pair<std::string, std::string>> env = {};
  std::string install_hint = {};
  std::string exec_info;  // what the program reads from KUBERNETES_EXEC_INFO
};

struct KubeConfig {
  std::string server;                // "https://10.0.0.1:443", with a base path if need be
  PemSource ca = {};                 // none: the system's authorities
  std::string tls_server_name = {};  // what the certificate must name, when it is not the host
  bool skips_tls_verify = false;

  // At most one kind of token; a client certificate may stand beside it.
  PemSource client_certificate = {};
  PemSource client_key = {};
  std::string token = {};
  std::filesystem::path token_file = {};
  std::optional<ExecPlugin> exec = {};
  std::string username = {};
  std::string password = {};

  std::string name_space = "default";
  std::string context = {};
};

// The configuration of a pod. `host` and `port` are KUBERNETES_SERVICE_HOST and _PORT; `folder`
// holds token, ca.crt and namespace.
Result<KubeConfig> load_in_cluster(std::string_view host, std::string_view port,
                                   const std::filesystem::path& folder);

inline constexpr std::string_view kServiceAccountFolder =
    "/var/run/secrets/kubernetes.io/serviceaccount";

// Reads `paths`, one file or a list as in KUBECONFIG (of a list, files that do not exist are
// skipped; what several define, the first does). An empty `context` is the current one. Errors
// name file and line.
Result<KubeConfig> load_kubeconfig(std::string_view paths, std::string_view context);

// A whole file; kNotFound, or kInvalidArgument when it is larger than any file of configuration.
Result<std::string> read_small_file(const std::filesystem::path& path);

}  // namespace sluice::kube
