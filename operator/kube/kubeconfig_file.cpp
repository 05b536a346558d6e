#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>
#include <vector>

#include "operator/kube/base64.h"
#include "operator/kube/exec_credential.h"
#include "operator/kube/kube_config.h"

namespace sluice::kube {
namespace {

namespace fs = std::filesystem;

// A node and where it stands, for errors.
struct Place {
  YAML::Node node;
  fs::path file;
  std::string path;  // "users[admin].user"

  // Requires: node is a map or absent.
  Place at(const std::string& key) const {
    const YAML::Node child = node.IsMap() ? node[key] : YAML::Node(YAML::NodeType::Undefined);
    return {child, file, path.empty() ? key : path + "." + key};
  }
  bool is_given() const { return node.IsDefined() && !node.IsNull(); }
};

Error bad(const Place& place, const std::string& why) {
  // An absent node has no mark of its own.
  const YAML::Mark mark = place.node.IsDefined() ? place.node.Mark() : YAML::Mark::null_mark();
  const std::string line = mark.is_null() ? "" : ":" + std::to_string(mark.line + 1);
  return {ErrorCode::kInvalidArgument, place.file.string() + line + ": " + place.path + ": " + why,
          place.path};
}

Status read_text(const Place& place, std::string& into) {
  if (!place.is_given()) return Ok{};
  if (!place.node.IsScalar()) return bad(place, "must be a text");
  into = place.node.Scalar();
  return Ok{};
}

Status read_bool(const Place& place, bool& into) {
  if (!place.is_given()) return Ok{};
  if (!place.node.IsScalar() || !YAML::convert<bool>::decode(place.node, into)) {
    return bad(place, "must be true or false");
  }
  return Ok{};
}

Status read_path(const Place& place, fs::path& into) {
  std::string text;
  if (auto status = read_text(place, text); !status) return status;
  // Relative paths are relative to the file that names them.
  if (!text.empty()) into = (fs::absolute(place.file).parent_path() / text).lexically_normal();
  return Ok{};
}

// `KEY-data` (base64) and `KEY` (a file); the data wins, as in kubectl.
Status read_pem(const Place& parent, const std::string& key, PemSource& into) {
  const Place data = parent.at(key + "-data");
  std::string encoded;
  if (auto status = read_text(data, encoded); !status) return status;
  if (!encoded.empty()) {
    const auto decoded = decode_base64(encoded);
    if (!decoded) return bad(data, "is not base64");
    into.text = *decoded;
    return Ok{};
  }
  return read_path(parent.at(key), into.file);
}

// The files of one KUBECONFIG list, in order.
class Kubeconfig {
 public:
  Status add(const fs::path& file) {
    try {
      const YAML::Node root = YAML::LoadFile(file.string());
      if (!root.IsMap() && !root.IsNull()) {
        return bad({root, file, "kubeconfig"}, "is not a map");
      }
      files_.push_back({root, file, ""});
      return Ok{};
    } catch (const YAML::BadFile&) {
      return Error{ErrorCode::kNotFound, "cannot read " + file.string()};
    } catch (const YAML::Exception& e) {
      return Error{ErrorCode::kInvalidArgument,
                   file.string() + ":" + std::to_string(e.mark.line + 1) + ": not YAML: " + e.msg};
    }
  }

  bool is_empty() const { return files_.empty(); }
  const fs::path& first_file() const { return files_.front().file; }

  Result<std::string> current_context() const {
    for (const Place& file : files_) {
      std::string name;
      if (auto status = read_text(file.at("current-context"), name); !status) {
        return std::move(status).error();
      }
      if (!name.empty()) return name;
    }
    return Error{ErrorCode::kInvalidArgument,
                 first_file().string() + ": no current-context; name a context"};
  }

  // The `kind` ("cluster") called `name` of the first file that has it.
  Result<Place> find(const std::string& kind, const std::string& name) const {
    for (const Place& file : files_) {
      const Place list = file.at(kind + "s");
      if (!list.is_given()) continue;
      if (!list.node.IsSequence()) return bad(list, "must be a list");
      for (const YAML::Node& entry : list.node) {
        const Place place{entry, file.file, kind + "s[" + name + "]"};
        if (!entry.IsMap()) return bad({entry, file.file, list.path}, "must hold maps");
        const YAML::Node called = entry["name"];
        if (called && called.IsScalar() && called.Scalar() == name) {
          const Place body = place.at(kind);
          if (body.is_given() && !body.node.IsMap()) return bad(body, "must be a map");
          return body;
        }
      }
    }
    return Error{ErrorCode::kInvalidArgument,
                 first_file().string() + ": there is no " + kind + " \"" + name + "\""};
  }

 private:
  std::vector<Place> files_;
};

Status read_cluster(const Place& cluster, KubeConfig& config) {
  std::string proxy;
  if (auto s = read_text(cluster.at("proxy-url"), proxy); !s) return s;
  if (!proxy.empty()) return bad(cluster.at("proxy-url"), "proxies are not supported");
  if (auto s = read_text(cluster.at("server"), config.server); !s) return s;
  if (config.server.empty()) return bad(cluster, "server is missing");
  if (!config.server.starts_with("https://") && !config.server.starts_with("http://")) {
    return bad(cluster.at("server"), "must start with https:// or http://");
  }
  if (auto s = read_pem(cluster, "certificate-authority", config.ca); !s) return s;
  if (auto s = read_text(cluster.at("tls-server-name"), config.tls_server_name); !s) return s;
  const Place skip = cluster.at("insecure-skip-tls-verify");
  if (auto s = read_bool(skip, config.skips_tls_verify); !s) return s;
  if (config.skips_tls_verify && config.ca.is_given()) {
    return bad(skip, "contradicts certificate-authority: give one of them");
  }
  return Ok{};
}

Status read_user(const Place& user, const Place& cluster, KubeConfig& config) {
  for (const char* unsupported : {"auth-provider", "as", "as-uid", "as-groups", "as-user-extra"}) {
    const Place field = user.at(unsupported);
    if (field.is_given()) return bad(field, "is not supported; use a token or an exec plugin");
  }
  if (auto s = read_pem(user, "client-certificate", config.client_certificate); !s) return s;
  if (auto s = read_pem(user, "client-key", config.client_key); !s) return s;
  if (config.client_certificate.is_given() != config.client_key.is_given()) {
    return bad(user, "client-certificate and client-key go together");
  }
  // As in kubectl: the file, being fresh, wins over the token beside it.
  if (auto s = read_path(user.at("tokenFile"), config.token_file); !s) return s;
  if (config.token_file.empty()) {
    if (auto s = read_text(user.at("token"), config.token); !s) return s;
  }
  if (auto s = read_text(user.at("username"), config.username); !s) return s;
  if (auto s = read_text(user.at("password"), config.password); !s) return s;
  const bool has_token = !config.token.empty() || !config.token_file.empty();
  if (has_token && !config.username.empty()) {
    return bad(user, "a token and a username contradict each other");
  }
  const Place exec = user.at("exec");
  if (!exec.is_given()) return Ok{};
  if (has_token || !config.username.empty()) {
    return bad(exec, "contradicts the token or username beside it");
  }
  auto plugin = read_exec_plugin(exec.node, cluster.node, exec.file, config);
  if (!plugin) return bad(exec.at(plugin.error().field), plugin.error().message);
  config.exec = *std::move(plugin);
  return Ok{};
}

Result<Kubeconfig> read_files(std::string_view paths) {
  const bool is_list = paths.find(':') != std::string_view::npos;
  Kubeconfig files;
  while (!paths.empty()) {
    const std::size_t end = std::min(paths.find(':'), paths.size());
    const fs::path file(paths.substr(0, end));
    paths.remove_prefix(std::min(end + 1, paths.size()));
    if (file.empty()) continue;
    if (auto added = files.add(file); !added) {
      if (is_list && added.error().code == ErrorCode::kNotFound) continue;
      return std::move(added).error();
    }
  }
  if (files.is_empty()) {
    return Error{ErrorCode::kNotFound, "no kubeconfig file is there to read"};
  }
  return files;
}

Result<KubeConfig> read_context(const Kubeconfig& files, const std::string& name) {
  auto context = files.find("context", name);
  if (!context) return std::move(context).error();
  KubeConfig config;
  config.context = name;
  std::string cluster_name;
  std::string user_name;
  if (auto s = read_text(context->at("cluster"), cluster_name); !s) return std::move(s).error();
  if (auto s = read_text(context->at("user"), user_name); !s) return std::move(s).error();
  if (auto s = read_text(context->at("namespace"), config.name_space); !s) {
    return std::move(s).error();
  }
  if (cluster_name.empty()) return bad(*context, "names no cluster");

  auto cluster = files.find("cluster", cluster_name);
  if (!cluster) return std::move(cluster).error();
  if (auto s = read_cluster(*cluster, config); !s) return std::move(s).error();
  if (user_name.empty()) return config;
  auto user = files.find("user", user_name);
  if (!user) return std::move(user).error();
  if (auto s = read_user(*user, *cluster, config); !s) return std::move(s).error();
  return config;
}

}  // namespace

Result<KubeConfig> load_kubeconfig(std::string_view paths, std::string_view context) {
  try {
    auto files = read_files(paths);
    if (!files) return std::move(files).error();
    if (!context.empty()) return read_context(*files, std::string(context));
    auto current = files->current_context();
    if (!current) return std::move(current).error();
    return read_context(*files, *current);
  } catch (const YAML::Exception& e) {
    return Error{ErrorCode::kInvalidArgument, std::string(paths) + ": " + e.what()};
  }
}

}  // namespace sluice::kube
